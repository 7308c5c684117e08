/**
 * Gives a worker a file system view of its own: a small program for /bin/sh, run inside the worker's mount namespace
 * before the command, so nobody else ever sees the mounts and the kernel drops them at its end.
 *
 * First the server's own folders are emptied but for what the worker needs: the originals are held aside, empty folders
 * get what is shown of each bound into them, and take the originals' places. All of it is one table for one `mount -a`,
 * since each program that begins delays the worker; every target of the table is new, or `mount` would take what is
 * mounted beneath a covered folder for done. Then volumes are bound where they are wanted; a link that was put in the way
 * since they were asked for leads to no original, and one that holds the server's folders has them emptied as well: a
 * bind shows what lies beneath a mount.
 *
 * A mount point below `/` that does not exist is made for this worker alone: `/` is built anew from binds of what
 * is there (pivot_root(8), "pivot_root . ."). Deeper ones must exist, or lie in the worker's own folder.
 * What was asked for and cannot be had ends with 126, the user's; a tool that failed or was killed with 75, the machine's.
 */
import type { WorkerMount } from '@gantry/ports';
import { type PrivateView, throughView } from './private-view.ts';

/**
 * $1 = a folder to build in, $2 = the working folder, $3 = where originals are held or '', $4 = the same as fstab(5)
 * spells it; then for each root: itself, spelled, for each thing shown of it where it lies inside and that spelled, -;
 * then --; then source, target, ro|rw for each mount; then --.
 */
const script = `
refuse() { echo "[gantry] $1" >&2; exit 126; }
fail() { echo "[gantry] $1" >&2; exit 75; }
newline='
'
stage=$1; cwd=$2; held=$3; spelled_held=$4; shift 4
if [ -n "$held" ]; then
  mount -t tmpfs -o mode=700 gantry "$held" && cd -P "$held" || fail "the view could not be built"
  home=$PWD
fi
covered= folders= files= aside= shown= views= index=0
while [ "$1" != -- ]; do
  root=$1; spelled_root=$2; shift 2
  cd -P "$root" || fail "$root could not be emptied"
  covered=$covered$PWD$newline
  folders=$folders$held/$index$newline$held/v$index$newline
  aside="$aside$spelled_root $spelled_held/$index none rbind$newline"
  while [ "$1" != - ]; do
    if [ -e "$root$1" ]; then
      if [ -d "$root$1" ]; then folders=$folders$held/v$index$1$newline
      else folders=$folders$held/v$index\${1%/*}$newline; files=$files$held/v$index$1$newline
      fi
      shown="$shown$spelled_held/$index$2 $spelled_held/v$index$2 none rbind$newline"
    fi
    shift 2
  done
  shift
  views="$views$spelled_held/v$index $spelled_root none rbind,ro$newline"
  index=$((index + 1))
done
shift
cd /
make_empty() {
  umask 022; set -f; IFS=$newline
  mkdir -p $folders || return
  for file in $files; do : > "$file" || return; done
}
if [ -n "$covered" ]; then
  (make_empty) && printf %s "$aside$shown$views" > "$held/table" && mount -a -T "$held/table" ||
    fail "the server's folders could not be emptied"
fi
isBuilt=
build() {
  [ -n "$isBuilt" ] && return
  mount -t tmpfs -o mode=755 gantry "$stage" || fail "the file system could not be built"
  for entry in /* /.[!.]*; do
    at="$stage/\${entry##*/}"
    if [ -L "$entry" ]; then cp -P "$entry" "$at"
    elif [ -d "$entry" ]; then mkdir "$at" && mount --rbind "$entry" "$at"
    elif [ -e "$entry" ]; then : > "$at" && mount --bind "$entry" "$at"
    fi || fail "$entry could not be taken along"
  done
  isBuilt=yes
}
expected=source
for word; do
  case $word,$expected in
    --,source) break;;
    *,source) source=$word; expected=target;;
    *,target)
      expected=mode
      [ -e "$word" ] && continue
      case $word in /*/*) refuse "there is no $word to mount at"; esac
      build
      if [ -d "$source" ]; then mkdir "$stage$word"; else : > "$stage$word"; fi;;
    *,mode) expected=source;;
  esac
done
if [ -n "$isBuilt" ]; then
  cd "$stage" && pivot_root . . && umount -l . && cd / || fail "the file system could not be changed"
fi
is_meant() {
  [ -n "$held" ] || return 0
  case $1 in "$held"/*) [ "$2" = "$home\${1#"$held"}" ]; return; esac
  case $2 in "$home"|"$home"/*) return 1; esac
}
cover() {
  real=$(pwd); real=\${real%/}
  set -f; IFS=$newline
  for root in $covered; do
    case $root in "$real"/*) mount -t tmpfs -o ro,mode=755 gantry "$1\${root#"$real"}" || return 1; esac
  done
}
bind() {
  if [ ! -d "$1" ]; then
    is_meant "$1" "$(readlink -f "$1")" || refuse "there is no $1"
    mount --bind "$1" "$2"
  else
    (cd -P "$1" && { is_meant "$1" "$(pwd)" || refuse "there is no $1"; } && mount --bind . "$2" && cover "$2")
  fi
}
while [ "$1" != -- ]; do
  bind "$1" "$2"; code=$?
  [ $code = 126 ] && exit 126
  [ $code = 0 ] || fail "$1 could not be mounted at $2"
  if [ "$3" = ro ]; then
    flags=$(findmnt -n -o VFS-OPTIONS -M "$2")
    mount -o "remount,bind,ro\${flags#r?}" "$2" || fail "$2 could not be made read-only"
  fi
  shift 3
done
shift
if [ -n "$held" ]; then umount -l "$held" || fail "the view could not be closed"; fi
cd "$cwd" || refuse "there is no $cwd"
`;

export interface MountPlaces {
  /** An empty folder of the worker's own. */
  readonly stage: string;
  readonly cwd: string;
  readonly view?: PrivateView;
}

/** The command that mounts, then becomes `command`. */
export function mountCommand(
  mounts: readonly WorkerMount[],
  { stage, cwd, view }: MountPlaces,
  command: readonly string[],
): readonly string[] {
  const roots = (view?.roots ?? []).flatMap(({ path, shown }) => [
    ...both(path),
    ...shown.flatMap((place) => both(place.slice(path.length))),
    '-',
  ]);
  const triples = mounts
    .map((mount) => throughView(mount, view))
    .flatMap(({ source, target, readOnly }) => [source, target, readOnly ? 'ro' : 'rw']);
  return [
    '/bin/sh',
    '-c',
    `${script}exec "$@"`,
    'gantry-mount',
    stage,
    cwd,
    ...both(view?.at ?? ''),
    ...roots,
    '--',
    ...triples,
    '--',
    ...command,
  ];
}

const both = (path: string): readonly string[] => [path, tableSpelling(path)];

/** As fstab(5) wants it: what parts its words and lines stands in octal. */
const tableSpelling = (path: string): string =>
  path.replace(/[ \t\r\n\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);
