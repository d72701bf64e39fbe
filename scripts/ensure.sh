# Makes sure that what a script needs is there. To be sourced from the root of the checkout.
#
#   ensure_debian build run net    installs the Debian packages of these groups when root, else prints the exact command
#   ensure_node_modules            installs what package-lock.json names

# A line for each package: group, package, and a file or command that shows it is installed.
readonly DEBIAN_NEEDS="
build gcc          cmd:gcc
build make         cmd:make
build libc6-dev    /usr/include/stdio.h
build musl-dev     /usr/lib/x86_64-linux-musl/libc.a
run   qemu-system-x86 cmd:qemu-system-x86_64
net   curl         cmd:curl
net   ethtool      cmd:ethtool
net   git          cmd:git
net   iperf3       cmd:iperf3
net   iproute2     cmd:ip
net   iputils-ping cmd:ping
dns   bind9-dnsutils cmd:dig
dns   bind9-utils cmd:dnssec-signzone
dns   knot-dnsutils cmd:kdig
dns   nsd          cmd:nsd
net   dnsmasq-base cmd:dnsmasq
net   nginx        cmd:nginx
net   radvd        cmd:radvd
net   isc-dhcp-client cmd:dhclient
net   udhcpc       cmd:udhcpc
net   avahi-daemon cmd:avahi-daemon
net   avahi-utils  cmd:avahi-browse
net   dbus-daemon  cmd:dbus-daemon
net   procps       cmd:sysctl
net   tcpdump      cmd:tcpdump
net   nmap         cmd:nmap
net   netcat-openbsd /usr/bin/nc.openbsd
net   traceroute   cmd:traceroute
shell zsh          cmd:zsh
bench dnsperf      cmd:dnsperf
bench wrk          cmd:wrk
bench bind9        /usr/sbin/named
test262 xz-utils   cmd:xz
disk  dosfstools   /usr/sbin/fsck.vfat
disk  mtools       cmd:mcopy
disk  grub-common  cmd:grub-mkimage
disk  grub-pc-bin  /usr/lib/grub/i386-pc/normal.mod
disk  grub-efi-amd64-bin /usr/lib/grub/x86_64-efi/normal.mod
disk  xorriso      cmd:xorriso
disk  qemu-utils   cmd:qemu-img
disk  ovmf         /usr/share/ovmf/OVMF.fd
disk  bochs        cmd:bochs
disk  bochs-term   /usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so
disk  bochsbios    /usr/share/bochs/BIOS-bochs-latest
disk  vgabios      /usr/share/bochs/VGABIOS-lgpl-latest
"

ensure_debian() {
  local missing="" group package sign wanted
  while read -r group package sign; do
    [ -n "$group" ] || continue
    for wanted in "$@"; do
      [ "$group" = "$wanted" ] || continue
      case $sign in
        cmd:*) command -v "${sign#cmd:}" >/dev/null 2>&1 || missing="$missing $package" ;;
        *) [ -e "$sign" ] || missing="$missing $package" ;;
      esac
    done
  done <<<"$DEBIAN_NEEDS"
  [ -n "$missing" ] || return 0
  local install="apt-get install -y --no-install-recommends$missing"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Debian packages:$missing"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $install >/dev/null
  else
    echo "Some Debian packages are missing. Install them and run this again:" >&2
    echo "  sudo apt-get update && sudo $install" >&2
    return 1
  fi
}

ensure_node_modules() {
  if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    echo "Installing npm packages"
    npm ci --no-progress --loglevel=error
    touch node_modules/.package-lock.json
  fi
}
