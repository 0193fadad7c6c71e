#!/bin/sh
# Starts reswhis: ./run.sh, or for instance ./run.sh --port 9000. What run.bat is on Windows.
set -eu

# ---- Settings ---------------------------------------------------------------------------------------------------
# Change what stands after ":=". What your environment has already set is left as it is, and an argument wins over
# both: ./run.sh --language de

preset() {
  # What is spoken: en, de, fr, ... or auto, which hears it for itself, less surely from a few words. Many desktops set
  # LANGUAGE for their own messages, as en_US:en; that says nothing about what is spoken.
  case ${LANGUAGE:-} in C | POSIX | *[_:.@]*) LANGUAGE='' ;; esac
  : "${LANGUAGE:=en}"

  # tiny, base, small, medium, large-v3, large-v3-turbo: each better and slower than the one before. auto takes the best
  # that this computer can follow live.
  : "${MODEL_SIZE:=auto}"

  # The recogniser. auto is faster-whisper, or a simple English one as long as no model can be downloaded.
  : "${BACKEND:=auto}"

  # Seconds of new speech before it is looked at again: less shows words sooner and is more work.
  : "${MINIMUM_CHUNK_SIZE:=0.5}"

  # Begin a new line when the speaker pauses. With False, only who listens ends one.
  : "${USE_VOICE_ACTIVITY_CONTROLLER:=True}"

  # Leave long silences inside an utterance out of what the recogniser hears.
  : "${USE_VOICE_ACTIVITY_DETECTION:=False}"

  # Do not change: Whisper hears 16000 samples per second.
  : "${SAMPLING_RATE:=16000}"

  export LANGUAGE MODEL_SIZE BACKEND MINIMUM_CHUNK_SIZE SAMPLING_RATE
  export USE_VOICE_ACTIVITY_CONTROLLER USE_VOICE_ACTIVITY_DETECTION
}
# -----------------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$@" >&2; }

# Whoever names a configuration file means what is in it, and variables would win over it.
names_a_file() {
  [ -z "${RESWHIS_CONFIG:-}" ] || return 0
  for argument; do
    case $argument in --config | --config=*) return 0 ;; esac
  done
  return 1
}

# Sets uv to the program, or to nothing where it is a module of python3. Running it tells it from pyenv's placeholder.
find_uv() {
  for uv in uv "${HOME:-}/.local/bin/uv" "${HOME:-}/.cargo/bin/uv"; do
    if "$uv" --version >/dev/null 2>&1; then return 0; fi
  done
  uv=''
  python3 -m uv --version >/dev/null 2>&1
}

# pip, where it may install: Debian's Python, for one, leaves that to Debian.
installation() {
  if python3 - >/dev/null 2>&1 <<'PYTHON'; then
import os, pip, sys, sysconfig
managed = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
sys.exit(managed and sys.prefix == sys.base_prefix)
PYTHON
    echo 'python3 -m pip install uv'
  else
    echo 'curl -LsSf https://astral.sh/uv/install.sh | sh'
  fi
}

install_uv() {
  install=$(installation)
  say 'reswhis is installed and started by uv, which is not on this computer yet (https://docs.astral.sh/uv/).' \
    'This command installs it:' '' "    $install" ''
  answer=''
  if [ -t 0 ] && [ -t 2 ]; then
    printf 'Run it now? [y/N] ' >&2
    read -r answer || say ''
  fi
  case $answer in
    [Yy] | [Yy][Ee][Ss]) ;;
    *)
      say 'Nothing was installed. Run the command yourself, then start run.sh again.'
      exit 1
      ;;
  esac
  sh -c "$install" >&2 || {
    say '' 'uv could not be installed; what went wrong stands above.'
    exit 1
  }
  find_uv || {
    say 'uv is installed but cannot be found. Open a new terminal and start run.sh again.'
    exit 1
  }
}

script=$(readlink -f -- "$0" 2>/dev/null) || script=$0
here=$(dirname -- "$script")

names_a_file "$@" || preset
find_uv || install_uv

[ -e "$here/.venv" ] || say 'First start: what reswhis needs is downloaded now, which takes some minutes.'
# Without its libraries a GPU would be seen and could not be used. RESWHIS_DEVICE=cpu does without both.
cuda=''
if [ "${RESWHIS_DEVICE:-}" != cpu ] && command -v nvidia-smi >/dev/null; then
  cuda=yes
  if [ -z "$(find "$here/.venv/" -path '*/nvidia/cublas' 2>/dev/null | head -n 1)" ]; then
    say 'This computer has an NVIDIA GPU: its libraries (more than 600 MB) are downloaded now, once.' \
      'To use the processor instead, press Ctrl-C, then start it by: RESWHIS_DEVICE=cpu ./run.sh'
  fi
fi

if [ $# = 0 ]; then
  say 'Once "ready" stands below, open the address that it is listening on in a browser.'
  language=${RESWHIS_LANGUAGE:-${LANGUAGE:-}}
  [ -z "$language" ] || say "It expects the language \"$language\"; to change that or the model, edit run.sh."
  say 'To stop, press Ctrl-C.' ''
fi

# --project instead of cd: relative paths in the arguments start where the user is. --no-dev: without the tools for
# developing reswhis.
set -- run --no-dev ${cuda:+--extra cuda} --project "$here" reswhis "$@"
if [ -z "$uv" ]; then set -- python3 -m uv "$@"; else set -- "$uv" "$@"; fi
exec "$@"
