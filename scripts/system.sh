# What the machine needs, for ./halloo and ./check. Sourced, not run; plain sh.
#
#   need PROBE PACKAGE WHY   notes a package when the probe fails
#   install_missing          installs what was noted, or says how and ends with 1

missing=
reasons=

say() {
    printf '%s\n' "$*" >&2
}

has() {
    command -v "$1" >/dev/null 2>&1
}

need() {
    if ! eval "$1" >/dev/null 2>&1; then
        missing="$missing $2"
        reasons="$reasons, $2 ($3)"
    fi
}

install_missing() {
    [ -n "$missing" ] || return 0
    missing=${missing# }
    reasons=${reasons#, }
    if ! has apt-get; then
        say "Missing: $reasons."
        say "These are Debian's names; please install them with your system's own tools, then try again."
        exit 1
    fi
    # Another installation may be under way, as on a machine that has just started.
    patient='-o DPkg::Lock::Timeout=600 -o Acquire::Retries=5'
    install="apt-get $patient install -y --no-install-recommends $missing"
    if [ "$(id -u)" = 0 ]; then
        root=
    elif has sudo && sudo -n true 2>/dev/null; then
        root=sudo
    else
        say "Missing: $reasons. Please run this, then try again:"
        say "  sudo apt-get update && sudo $install"
        exit 1
    fi
    say "Installing $reasons"
    # Package lists may be there already, so ask for new ones only when they don't do.
    export DEBIAN_FRONTEND=noninteractive
    if ! $root $install >&2 && ! { $root apt-get $patient update >&2 && $root $install >&2; }; then
        say "That failed. Please run this, then try again:"
        say "  ${root:+$root }apt-get update && ${root:+$root }$install"
        exit 1
    fi
}

# Rust comes from rustup: a distribution's own is too old, so it is left to you.
need_rust() {
    if ! has cargo || ! has rustc; then
        say "Rust 1.95 or newer is missing. Please run this, then try again in a new shell:"
        say "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
        exit 1
    fi
    minor=$(rustc --version | sed -n 's/^rustc 1\.\([0-9]*\).*/\1/p')
    if [ "${minor:-0}" -lt 95 ]; then
        say "$(rustc --version) is too old, 1.95 is needed. Please run this, then try again:"
        say "  rustup toolchain install stable && rustup default stable"
        exit 1
    fi
}

need_to_build() {
    need_rust
    need 'has cc && has make' build-essential 'compiles the Opus codec'
    need 'has cmake' cmake 'builds the Opus codec'
    need 'has pkg-config' pkg-config 'finds libraries'
    need 'pkg-config --exists openssl' libssl-dev 'DTLS and AES'
    if [ "$(uname -s)" = Linux ]; then
        need 'pkg-config --exists alsa' libasound2-dev 'the sound card'
    fi
}

need_to_test() {
    need 'has chromium || has chromium-browser || has google-chrome' chromium 'calls from a browser'
    need 'has node' nodejs 'checks the page'
    need 'has npm' npm 'calls with stacks written for node'
    need "python3 -c 'import venv, ensurepip'" python3-venv 'calls with aiortc'
    if [ "$(uname -s)" = Linux ]; then
        need 'has pulseaudio' pulseaudio 'a sound card in software'
        need 'has parec && has paplay' pulseaudio-utils 'speaks into it and listens'
        need 'ls /usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so' libasound2-plugins 'joins it to ALSA'
        need 'has ip' iproute2 'two computers in one'
        need 'has nft' nftables 'NATs between them'
        need 'has turnserver' coturn 'a TURN server beside them'
    fi
    if ! cargo fmt --version >/dev/null 2>&1 || ! cargo clippy --version >/dev/null 2>&1; then
        say "rustfmt or clippy is missing. Please run this, then try again:"
        say "  rustup component add rustfmt clippy"
        exit 1
    fi
}

# Stacks that only `./check --all` calls.
need_heavy_peers() {
    need 'has firefox-esr' firefox-esr 'calls with Firefox'
    need 'has go' golang-go 'builds a peer of Pion'
    need '[ -d /usr/share/gocode/src/github.com/pion/webrtc ]' golang-github-pion-webrtc.v3-dev \
        'calls with Pion'
    need 'has gst-inspect-1.0 && gst-inspect-1.0 webrtcbin' \
        'gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-nice' \
        'calls with GStreamer'
    need "/usr/bin/python3 -c 'import gi; gi.require_version(\"GstWebRTC\", \"1.0\")'" \
        'python3-gi gir1.2-gst-plugins-bad-1.0' 'drives GStreamer'
}
