#!/bin/sh
# What dhclient (-sf) and udhcpc (-s) call when they have an address: puts it on the interface and writes down what was said,
# and nothing else. Their own scripts would change /etc/resolv.conf of the machine that runs the tests.
#
# dhclient tells by variables and $reason, udhcpc by others and $1.
[ -n "$reason" ] || { reason=$1; new_ip_address=$ip; new_subnet_mask=$subnet; new_domain_name=$domain; new_domain_name_servers=$dns; }
case $reason in
  PREINIT | PREINIT6) ip link set dev "$interface" up ;;
  deconfig) ip -4 addr flush dev "$interface" && ip link set dev "$interface" up ;;
  BOUND | RENEW | REBIND | REBOOT | bound | renew) ip -4 addr replace "$new_ip_address/24" dev "$interface" ;;
  BOUND6 | RENEW6 | REBIND6) ip -6 addr replace "$new_ip6_address/$new_ip6_prefixlen" dev "$interface" nodad ;;
  RELEASE | EXPIRE) ip -4 addr flush dev "$interface" ;;
  RELEASE6 | EXPIRE6) ip -6 addr flush dev "$interface" scope global ;;
esac
echo "said reason=$reason address=$new_ip_address$new_ip6_address mask=$new_subnet_mask domain=$new_domain_name$new_dhcp6_domain_search dns=$new_domain_name_servers$new_dhcp6_name_servers"
exit 0
