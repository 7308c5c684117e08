/**
 * Gives a worker a file system view of its own: a small program for /bin/sh, run inside the worker's mount namespace
 * before the command, so nobody else ever sees the mounts and the kernel drops them at its end.
 *
 * First the server's own folders are emptied but for what the worker needs: the original is held aside, an empty file
 * system takes its place, and what is shown is bound into it. Then volumes are bound where they are wanted; a link that
 * was put in the way since they were asked for leads to no original, and one that holds the server's folders has them
 * emptied as well: a bind shows what lies beneath a mount.
 *
 * A mount point below `/` that does not exist is made for this worker alone: `/` is built anew from binds of what
 * is there (pivot_root(8), "pivot_root . ."). Deeper ones must exist, or lie in the worker's own folder.
 * What was asked for and cannot be had ends with 126, the user's; a tool that failed or was killed with 75, the machine's.
 * The tools lie in sbin, which a user's PATH may leave out.
 */
import type { WorkerMount } from '@gantry/ports';
import { type PrivateView, heldAt, throughView } from './private-view.ts';

/**
 * $1 = a folder to build in, $2 = the working folder, $3 = where originals are held or ''; then for each root: itself,
 * where it is held, what is shown of it, -; then --; then source, target, ro|rw for each mount; then --.
 */
const script = `
users_path=$PATH; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
refuse() { echo "[gantry] $1" >&2; exit 126; }
fail() { echo "[gantry] $1" >&2; exit 75; }
stage=$1; cwd=$2; held=$3; shift 3
if [ -n "$held" ]; then
  mount -t tmpfs -o mode=700 gantry "$held" || fail "the view could not be built"
  home=$(cd -P "$held" && pwd)
fi
covered=
while [ "$1" != -- ]; do
  root=$1; original=$2; shift 2
  covered="$covered$(cd -P "$root" && pwd)
"
  mkdir "$original" && mount --rbind "$root" "$original" && mount -t tmpfs -o mode=755 gantry "$root" ||
    fail "$root could not be emptied"
  while [ "$1" != - ]; do
    from=$original\${1#"$root"}
    if [ -d "$from" ]; then mkdir -p "$1" && mount --rbind "$from" "$1"
    elif [ -e "$from" ]; then mkdir -p "\${1%/*}" && : > "$1" && mount --bind "$from" "$1"
    fi || fail "$1 could not be shown"
    shift
  done
  shift
  mount -o remount,bind,ro "$root" || fail "$root could not be made read-only"
done
shift
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
  set -f; IFS='
'
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
PATH=$users_path
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
  const roots = (view?.roots ?? []).flatMap(({ path, shown }, index) =>
    view === undefined ? [] : [path, heldAt(view, index), ...shown, '-'],
  );
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
    view?.at ?? '',
    ...roots,
    '--',
    ...triples,
    '--',
    ...command,
  ];
}
