// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/filter.h"
#include "net/mode.h"
#include "net/nft.h"
#include "net/pool.h"
#include "net/record.h"

#define CHAIN_NAME_SIZE (IFNAMSIZ + 16)

static void chain_name(char name[CHAIN_NAME_SIZE], const struct net_conf *conf,
		       const char *what)
{
	snprintf(name, CHAIN_NAME_SIZE, "%s%s", conf->bridge, what);
}

int filter_is_up(const struct net_conf *conf, struct vf_err *err)
{
	const int family = mode_of(conf)->guard_family;
	const struct {
		int family;
		const char *what;
		bool is_needed;
	} chains[] = {
		{ family, "", true },
		{ family, ".complete", true },
		{ NFPROTO_ARP, "", conf->mode == NET_MODE_ROUTED },
		{ NFPROTO_INET, ".forward", true },
		{ NFPROTO_INET, ".nat", conf->nat },
	};
	char name[CHAIN_NAME_SIZE];
	int ret;

	ret = nft_chain_exists(family, NFT_GUARD, err);
	for (size_t i = 0; i < ARRAY_SIZE(chains) && ret == 1; i++) {
		if (!chains[i].is_needed)
			continue;
		chain_name(name, conf, chains[i].what);
		ret = nft_chain_exists(chains[i].family, name, err);
	}
	return ret;
}

/* The sets of a family, and chains to be filled: @b is the bridge. */
static void sets_print(FILE *out, const struct net_conf *conf)
{
	const char *family = mode_of(conf)->family, *b = conf->bridge;

	fprintf(out,
		"table %s " NFT_TABLE " {\n"
		"set " NFT_GUARD_SET " { type ifname; }\n"
		"chain " NFT_GUARD " { type filter hook prerouting "
		"priority -300; }\n"
		"set %s.tap { type ifname; }\n"
		"set %s.ip4 { type ifname . ether_addr . ipv4_addr; counter; "
		"}\n"
		"set %s.ip6 { type ifname . ether_addr . ipv6_addr; counter; "
		"}\n"
		"set %s.nd { typeof iifname . @th,64,128; }\n"
		"set %s.ll { typeof iifname . @th,208,48; }\n"
		"chain %s { type filter hook prerouting priority -300; }\n"
		"}\n",
		family, b, b, b, b, b, b);
	fprintf(out,
		"table %s " NFT_TABLE " {\n"
		"set %s.tap { type ifname; }\n"
		"set %s.arp { type ifname . ether_addr . ether_addr . "
		"ipv4_addr; counter; }\n"
		"}\n",
		mode_of(conf)->arp_family, b, b);
	if (conf->mode == NET_MODE_ROUTED)
		fprintf(out,
			"table arp " NFT_TABLE " { chain %s { type filter "
			"hook input priority 0; }\n}\n",
			b);
}

/* What nobody has put under rules says nothing. */
static void guard_print(FILE *out, const struct net_conf *conf)
{
	const char *family = mode_of(conf)->family;

	/* at the hooks of inet, bridges of our group come by as well */
	fprintf(out,
		"flush chain %s " NFT_TABLE " " NFT_GUARD "\n"
		"add rule %s " NFT_TABLE " " NFT_GUARD
		" %s iifgroup %d iifname != @" NFT_GUARD_SET " drop\n",
		family, family,
		conf->mode == NET_MODE_ROUTED ? "meta iifkind \"tun\"" : "",
		NET_LINK_GROUP);
}

/* What the host takes from ports: ARP. */
static void arp_print(FILE *out, const char *b)
{
	fprintf(out,
		"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 "
		"arp operation { request, reply } iifname . ether saddr . "
		"arp saddr ether . arp saddr ip @%s.arp accept\n",
		b);
}

/* What the bridge, or the host, takes from ports. */
static void pins_print(FILE *out, const struct net_conf *conf)
{
	bool is_bridge = conf->mode == NET_MODE_BRIDGE;
	const char *family = mode_of(conf)->family, *b = conf->bridge;

	guard_print(out, conf);
	fprintf(out,
		"flush chain %s " NFT_TABLE " %s\n"
		"table %s " NFT_TABLE " { chain %s {\n"
		"iifname != @%s.tap accept\n",
		family, b, family, b, b);
	/* read from the frame: a VLAN tag that was taken off counts too */
	if (is_bridge)
		fprintf(out, "ether type != { ip, arp, ip6 } drop\n");
	fprintf(out, "udp sport { 67, 547 } drop\n"
		     "icmpv6 type { nd-router-solicit, nd-router-advert, "
		     "nd-redirect } drop\n");
	if (is_bridge)
		arp_print(out, b);
	/* a header of 24 bytes; then type, length in 8 bytes, address */
	fprintf(out,
		"iifname . ether saddr . ip saddr @%s.ip4 accept\n"
		"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } "
		"ip6 length != { 24, 32 } drop\n"
		"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } "
		"ip6 length 32 @th,192,16 != { 0x0101, 0x0201 } drop\n"
		"icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } "
		"ip6 length 32 iifname . @th,208,48 != @%s.ll drop\n"
		"icmpv6 type nd-neighbor-advert "
		"iifname . @th,64,128 != @%s.nd drop\n"
		"iifname . ether saddr . ip6 saddr @%s.ip6 accept\n"
		"drop\n}\n}\n",
		b, b, b, b);
	if (is_bridge)
		return;
	fprintf(out,
		"flush chain arp " NFT_TABLE " %s\n"
		"table arp " NFT_TABLE " { chain %s {\n"
		"iifname != @%s.tap accept\n",
		b, b, b);
	arp_print(out, b);
	fprintf(out, "drop\n}\n}\n");
}

/*
 * Guests of networks that are not open meet neither on the bridge (their ports
 * are isolated) nor through the host; guests of different networks never do.
 * Whatever else the host forwards is the host's affair.
 */
static void forward_print(FILE *out, const struct net_conf *conf)
{
	const char *b = conf->bridge;
	char ports[IFNAMSIZ + 8];

	/* the link from which packets of its ports come */
	snprintf(ports, sizeof(ports),
		 conf->mode == NET_MODE_ROUTED ? "@%s.tap" : "\"%s\"", b);
	fprintf(out,
		"table inet " NFT_TABLE " { chain %s.forward "
		"{ type filter hook forward priority -10; }\n}\n"
		"flush chain inet " NFT_TABLE " %s.forward\n"
		"table inet " NFT_TABLE " { chain %s.forward {\n",
		b, b, b);
	/* what connection tracking does not know leaves with its own address */
	if (conf->nat)
		fprintf(out, "iifname %s ct state invalid drop\n", ports);
	if (conf->open)
		fprintf(out, "iifname %s oifname %s accept\n", ports, ports);
	fprintf(out, "iifname %s oifgroup %d drop\n}\n}\n", ports,
		NET_LINK_GROUP);
}

/* To our links, its own TAPs among them, nobody needs another's address. */
static void nat_print(FILE *out, const struct net_conf *conf)
{
	char addr4[INET_ADDRSTRLEN], addr6[INET6_ADDRSTRLEN];
	const char *b = conf->bridge;

	inet_ntop(AF_INET, &conf->addr4, addr4, sizeof(addr4));
	inet_ntop(AF_INET6, &conf->addr6, addr6, sizeof(addr6));
	fprintf(out,
		"table inet " NFT_TABLE " { chain %s.nat "
		"{ type nat hook postrouting priority 100; }\n}\n"
		"flush chain inet " NFT_TABLE " %s.nat\n"
		"table inet " NFT_TABLE " { chain %s.nat {\n"
		"oifgroup %d accept\n"
		"ip saddr %s/%u oifname != \"lo\" masquerade\n"
		"ip6 saddr %s/%u oifname != \"lo\" masquerade\n"
		"}\n}\n",
		b, b, b, NET_LINK_GROUP, addr4, conf->prefix4, addr6,
		conf->prefix6);
}

/* A transaction that is being written. */
struct commands {
	FILE *out;
	char *text;
	size_t size;
};

static int commands_begin(struct commands *commands, struct vf_err *err)
{
	*commands = (struct commands){ 0 };
	commands->out = open_memstream(&commands->text, &commands->size);
	if (!commands->out)
		return vf_err_errno(err, ENOMEM, "nftables");
	return 0;
}

static int commands_run(struct commands *commands, struct vf_err *err)
{
	int ret;

	if (fclose(commands->out) != 0)
		ret = vf_err_errno(err, ENOMEM, "nftables");
	else
		ret = nft_run(commands->text, err);
	free(commands->text);
	return ret;
}

/* Add before delete: that makes deleting what is not there no error. */
static void chain_remove_print(FILE *out, const char *family,
			       const struct net_conf *conf, const char *what)
{
	fprintf(out,
		"add chain %s " NFT_TABLE " %s%s\n"
		"flush chain %s " NFT_TABLE " %s%s\n"
		"delete chain %s " NFT_TABLE " %s%s\n",
		family, conf->bridge, what, family, conf->bridge, what, family,
		conf->bridge, what);
}

int filter_up(const struct net_conf *conf, struct vf_err *err)
{
	struct commands commands;
	int ret;

	ret = commands_begin(&commands, err);
	if (ret < 0)
		return ret;
	sets_print(commands.out, conf);
	pins_print(commands.out, conf);
	chain_remove_print(commands.out, mode_of(conf)->family, conf,
			   ".complete");
	forward_print(commands.out, conf);
	if (conf->nat)
		nat_print(commands.out, conf);
	ret = commands_run(&commands, err);
	if (ret == 0)
		return 0;
	if (ret == -EOPNOTSUPP || ret == -ENOENT)
		vf_err_hint(err,
			    "the kernel needs nftables with its %s and inet "
			    "families (NF_TABLES_%s, NF_TABLES_INET)%s",
			    mode_of(conf)->arp_family,
			    conf->mode == NET_MODE_ROUTED ? "ARP" : "BRIDGE",
			    conf->nat ? " and NAT (NFT_MASQ)" : "");
	return vf_err_wrap(err, "network %s", conf->name);
}

int filter_complete(const struct net_conf *conf, struct vf_err *err)
{
	char command[128];
	int ret;

	snprintf(command, sizeof(command),
		 "add chain %s " NFT_TABLE " %s.complete\n",
		 mode_of(conf)->family, conf->bridge);
	ret = nft_run(command, err);
	return ret < 0 ? vf_err_wrap(err, "network %s", conf->name) : 0;
}

/* What a killed command left of ports, in the set of all networks too. */
static int elements_remove(const struct net_conf *conf, struct vf_err *err)
{
	const struct leases none = { 0 };
	__json json_t *sets = NULL;
	int ret = filter_read(conf, &sets, err);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	return filter_sweep(conf, sets, &none, NULL, err);
}

int filter_down(const struct net_conf *conf, struct vf_err *err)
{
	static const int families[] = { NFPROTO_BRIDGE, NFPROTO_ARP,
					NFPROTO_INET };
	struct commands commands;
	int ret;

	ret = elements_remove(conf, err);
	if (ret < 0)
		return vf_err_wrap(err, "network %s", conf->name);
	ret = commands_begin(&commands, err);
	if (ret < 0)
		return ret;
	/* whatever is missing is made first, so that all can be deleted */
	sets_print(commands.out, conf);
	pins_print(commands.out, conf);
	fprintf(commands.out, "add table inet " NFT_TABLE "\n");
	chain_remove_print(commands.out, mode_of(conf)->family, conf, "");
	if (conf->mode == NET_MODE_ROUTED)
		chain_remove_print(commands.out, "arp", conf, "");
	chain_remove_print(commands.out, mode_of(conf)->family, conf,
			   ".complete");
	chain_remove_print(commands.out, "inet", conf, ".forward");
	if (conf->nat)
		chain_remove_print(commands.out, "inet", conf, ".nat");
	filter_sets_remove_print(commands.out, conf);
	ret = commands_run(&commands, err);
	for (size_t i = 0; i < ARRAY_SIZE(families) && ret == 0; i++)
		ret = nft_table_remove(families[i], err);
	return ret < 0 ? vf_err_wrap(err, "network %s", conf->name) : 0;
}
