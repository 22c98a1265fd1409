// SPDX-License-Identifier: MIT
/* linux/netfilter.h defines what it has as well, unless it comes first */
#include <netinet/in.h>

#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/mode.h"
#include "net/port.h"
#include "net/routed.h"

static bool bridge_owns(const struct net_conf *conf,
			const struct tap_link *link, int bridge_ifindex)
{
	(void)conf;
	return link->master && link->master == bridge_ifindex;
}

static const struct mode_ops modes[] = {
	[NET_MODE_BRIDGE] = {
		.name = "bridge",
		.limit = "a bridge takes",
		.ports_max = 1023, /* BR_MAX_PORTS of br_private.h */
		.family = "bridge",
		.arp_family = "bridge",
		.guard_family = NFPROTO_BRIDGE,
		.link_up = ports_link_up,
		.remember = ports_remember,
		.forget = ports_forget,
		.owns = bridge_owns,
	},
	[NET_MODE_ROUTED] = {
		.name = "routed",
		.limit = "a lease file holds",
		.ports_max = 4096,
		.family = "inet",
		.arp_family = "arp",
		.guard_family = NFPROTO_INET,
		.link_up = routed_link_up,
		.remember = routed_remember,
		.owns = routed_owns,
	},
};
static_assert(ARRAY_SIZE(modes) == NET_MODE_NUM, "modes");

const struct mode_ops *mode_of(const struct net_conf *conf)
{
	return &modes[conf->mode];
}

const char *net_mode_name(enum net_mode mode)
{
	return modes[mode].name;
}

int net_mode_parse(const char *text)
{
	for (int mode = 0; mode < NET_MODE_NUM; mode++)
		if (!strcmp(text, modes[mode].name))
			return mode;
	return -EINVAL;
}
