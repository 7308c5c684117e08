export { startS3Double, type S3Double } from './s3-double.ts';
