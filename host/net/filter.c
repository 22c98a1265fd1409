// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/filter.h"
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
	static const struct {
		int family;
		const char *what;
	} chains[] = {
		{ NFPROTO_BRIDGE, "" },
		{ NFPROTO_BRIDGE, ".complete" },
		{ NFPROTO_INET, ".forward" },
		{ NFPROTO_INET, ".nat" },
	};
	size_t num = conf->nat ? ARRAY_SIZE(chains) : ARRAY_SIZE(chains) - 1;
	char name[CHAIN_NAME_SIZE];
	int ret;

	ret = nft_chain_exists(NFPROTO_BRIDGE, NFT_GUARD, err);
	for (size_t i = 0; i < num && ret == 1; i++) {
		chain_name(name, conf, chains[i].what);
		ret = nft_chain_exists(chains[i].family, name, err);
	}
	return ret;
}

/* The sets of the bridge family, and chains to be filled: @b is the bridge. */
static void sets_print(FILE *out, const char *b)
{
	fprintf(out,
		"table bridge " NFT_TABLE " {\n"
		"set " NFT_GUARD_SET " { type ifname; }\n"
		"chain " NFT_GUARD " { type filter hook prerouting "
		"priority -300; }\n"
		"set %s.tap { type ifname; }\n"
		"set %s.ip4 { type ifname . ether_addr . ipv4_addr; counter; "
		"}\n"
		"set %s.ip6 { type ifname . ether_addr . ipv6_addr; counter; "
		"}\n"
		"set %s.arp { type ifname . ether_addr . ether_addr . "
		"ipv4_addr; counter; }\n"
		"set %s.nd { typeof iifname . @th,64,128; }\n"
		"set %s.ll { typeof iifname . @th,208,48; }\n"
		"chain %s { type filter hook prerouting priority -300; }\n"
		"}\n",
		b, b, b, b, b, b, b);
}

/* What the bridge takes from its ports. */
static void pins_print(FILE *out, const char *b)
{
	fprintf(out,
		"flush chain bridge " NFT_TABLE " " NFT_GUARD "\n"
		"add rule bridge " NFT_TABLE " " NFT_GUARD
		" iifgroup %d iifname != @" NFT_GUARD_SET " drop\n",
		NET_LINK_GROUP);
	fprintf(out,
		"flush chain bridge " NFT_TABLE " %s\n"
		"table bridge " NFT_TABLE " { chain %s {\n"
		"iifname != @%s.tap accept\n",
		b, b, b);
	/* read from the frame: a VLAN tag that was taken off counts too */
	fprintf(out, "ether type != { ip, arp, ip6 } drop\n"
		     "udp sport { 67, 547 } drop\n"
		     "icmpv6 type { nd-router-solicit, nd-router-advert, "
		     "nd-redirect } drop\n");
	fprintf(out,
		"arp htype 1 arp ptype ip arp hlen 6 arp plen 4 "
		"arp operation { request, reply } iifname . ether saddr . "
		"arp saddr ether . arp saddr ip @%s.arp accept\n"
		"iifname . ether saddr . ip saddr @%s.ip4 accept\n",
		b, b);
	/* a header of 24 bytes; then type, length in 8 bytes, address */
	fprintf(out,
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
		b, b, b);
}

/*
 * Guests of networks that are not open meet neither on the bridge (their ports
 * are isolated) nor through the host; guests of different networks never do.
 * Whatever else the host forwards is the host's affair.
 */
static void forward_print(FILE *out, const struct net_conf *conf)
{
	const char *b = conf->bridge;

	fprintf(out,
		"table inet " NFT_TABLE " { chain %s.forward "
		"{ type filter hook forward priority -10; }\n}\n"
		"flush chain inet " NFT_TABLE " %s.forward\n"
		"table inet " NFT_TABLE " { chain %s.forward {\n",
		b, b, b);
	/* what connection tracking does not know leaves with its own address */
	if (conf->nat)
		fprintf(out, "iifname \"%s\" ct state invalid drop\n", b);
	if (conf->open)
		fprintf(out, "iifname \"%s\" oifname \"%s\" accept\n", b, b);
	fprintf(out, "iifname \"%s\" oifgroup %d drop\n}\n}\n", b,
		NET_LINK_GROUP);
}

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
		"ip saddr %s/%u oifname != { \"%s\", \"lo\" } masquerade\n"
		"ip6 saddr %s/%u oifname != { \"%s\", \"lo\" } masquerade\n"
		"}\n}\n",
		b, b, b, addr4, conf->prefix4, b, addr6, conf->prefix6, b);
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
	sets_print(commands.out, conf->bridge);
	pins_print(commands.out, conf->bridge);
	chain_remove_print(commands.out, "bridge", conf, ".complete");
	forward_print(commands.out, conf);
	if (conf->nat)
		nat_print(commands.out, conf);
	ret = commands_run(&commands, err);
	if (ret == 0)
		return 0;
	if (ret == -EOPNOTSUPP || ret == -ENOENT)
		vf_err_hint(err,
			    "the kernel needs nftables with its bridge "
			    "and inet families (NF_TABLES_BRIDGE, "
			    "NF_TABLES_INET)%s",
			    conf->nat ? " and NAT (NFT_MASQ)" : "");
	return vf_err_wrap(err, "network %s", conf->name);
}

int filter_complete(const struct net_conf *conf, struct vf_err *err)
{
	char command[128];
	int ret;

	snprintf(command, sizeof(command),
		 "add chain bridge " NFT_TABLE " %s.complete\n", conf->bridge);
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
	static const char *const sets[] = { "tap", "ip4", "ip6",
					    "arp", "nd",  "ll" };
	struct commands commands;
	int ret;

	ret = elements_remove(conf, err);
	if (ret < 0)
		return vf_err_wrap(err, "network %s", conf->name);
	ret = commands_begin(&commands, err);
	if (ret < 0)
		return ret;
	/* whatever is missing is made first, so that all can be deleted */
	sets_print(commands.out, conf->bridge);
	pins_print(commands.out, conf->bridge);
	fprintf(commands.out, "add table inet " NFT_TABLE "\n");
	chain_remove_print(commands.out, "bridge", conf, "");
	chain_remove_print(commands.out, "bridge", conf, ".complete");
	chain_remove_print(commands.out, "inet", conf, ".forward");
	if (conf->nat)
		chain_remove_print(commands.out, "inet", conf, ".nat");
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		fprintf(commands.out, "delete set bridge " NFT_TABLE " %s.%s\n",
			conf->bridge, sets[i]);
	ret = commands_run(&commands, err);
	if (ret == 0)
		ret = nft_table_remove(NFPROTO_BRIDGE, err);
	if (ret == 0)
		ret = nft_table_remove(NFPROTO_INET, err);
	return ret < 0 ? vf_err_wrap(err, "network %s", conf->name) : 0;
}
