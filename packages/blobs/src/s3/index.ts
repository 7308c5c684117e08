export { claimPrefix } from './claim-prefix.ts';
export { createObjectCache, type ObjectCache } from './object-cache.ts';
export { formatS3Address, parseS3Address } from './s3-address.ts';
export { type LaterFiles, fetchLater, readLater, removeLater } from './later-files.ts';
export { listVersions, mirrorVersion, restoreVersion } from './mirror.ts';
export { createS3BlobStore } from './s3-blobs.ts';
export { openS3Bucket } from './s3-bucket.ts';
export { readS3Environment, readS3Secret, type S3Settings } from './s3-settings.ts';
export { fetchVolume, isFetched, storeVolume, type VolumePlace } from './s3-volume.ts';
