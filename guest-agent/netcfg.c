// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netbatch.h"
#include "netcfg.h"
#include "netroute.h"

#define EVENT_GROUPS                                                           \
	(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | \
	 RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE)

static bool kernel_has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void dropped_forget(struct netcfg *cfg)
{
	cfg->applied = NULL;
	cfg->dropped.num = 0;
	cfg->dropped.more = false;
}

int netcfg_open(struct netcfg *cfg)
{
	int ret;

	cfg->send = rtnl_batch_send;
	cfg->has_ipv6 = kernel_has_ipv6();
	cfg->is_stale = true;
	dropped_forget(cfg);
	ret = rtnl_open(&cfg->rtnl, 0);
	if (ret < 0)
		return ret;
	/* Listen first: what changes during the dump makes it stale again. */
	ret = rtnl_open(&cfg->events, EVENT_GROUPS);
	if (ret < 0)
		rtnl_close(&cfg->rtnl);
	return ret;
}

void netcfg_close(struct netcfg *cfg)
{
	rtnl_close(&cfg->rtnl);
	rtnl_close(&cfg->events);
}

static int event_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(msg);
	struct netcfg *cfg = arg;

	/*
	 * Neighbours come and go all day. Only permanent ones are kept, and one
	 * that is deleted is announced as failed.
	 */
	if (msg->nlmsg_type == RTM_NEWNEIGH &&
	    !(ndm->ndm_state & (NUD_PERMANENT | NUD_FAILED)))
		return 0;
	if (msg->nlmsg_type == RTM_NEWLINK &&
	    !netstate_link_changed(&cfg->saved, msg))
		return 0;
	cfg->is_stale = true;
	return 0;
}

void netcfg_listen(struct netcfg *cfg)
{
	if (rtnl_events(&cfg->events, event_cb, cfg) < 0)
		cfg->is_stale = true; /* some were lost */
}

int netcfg_refresh(struct netcfg *cfg)
{
	struct netstate_filter all = { 0 };
	int ret;

	if (cfg->is_deaf && rtnl_listen(&cfg->events, EVENT_GROUPS) == 0)
		cfg->is_deaf = false;
	netcfg_listen(cfg);
	if (!cfg->is_stale)
		return 0;
	netcfg_dropped(cfg); /* what it compares with goes now */
	ret = netstate_dump(&cfg->saved, &cfg->rtnl, &all);
	cfg->is_stale = ret < 0;
	return ret;
}

void netcfg_linklocal(uint8_t *addr, const uint8_t *mac)
{
	memset(addr, 0, 16);
	addr[0] = 0xfe;
	addr[1] = 0x80;
	memcpy(addr + 8, mac, 3);
	addr[8] ^= 2; /* universal/local bit */
	addr[11] = 0xff;
	addr[12] = 0xfe;
	memcpy(addr + 13, mac + 3, 3);
}

static bool link_matches(const struct netstate_link *link,
			 const struct identity_link *want)
{
	switch (want->match) {
	case IDENTITY_MATCH_NONE:
		break;
	case IDENTITY_MATCH_MAC:
		return !memcmp(link->mac, want->match_mac, sizeof(link->mac));
	case IDENTITY_MATCH_NAME:
		return !strncmp(link->name, want->match_name,
				sizeof(link->name));
	case IDENTITY_MATCH_INDEX:
		return link->index == (int)want->match_index;
	}
	return false;
}

static int link_find(const struct netcfg *cfg, const struct identity_link *want,
		     struct netcfg_link *found)
{
	for (unsigned int i = 0; i < cfg->saved.num_links; i++) {
		const struct netstate_link *link = &cfg->saved.links[i];

		if (!link_matches(link, want))
			continue;
		found->index = link->index;
		found->was_up = link->flags & IFF_UP;
		found->has_ipv6 = cfg->has_ipv6 && !link->ipv6_is_off;
		memcpy(found->mac, want->has_mac ? want->mac : link->mac, 6);
		return 0;
	}
	return -ENODEV;
}

static bool link_is_named(const struct netstate_link *link, const void *arg)
{
	const struct vmfork_identity *id = arg;

	for (unsigned int i = 0; i < id->num_links; i++) {
		if (link_matches(link, &id->link[i]))
			return true;
	}
	return false;
}

static bool reject_is_claimed(const struct nlmsghdr *route, const void *arg)
{
	return netroute_is_claimed(route, arg);
}

/* Does the saved state say too little about what an identity names? */
static bool state_lacks(const struct netcfg *cfg,
			const struct vmfork_identity *id)
{
	struct netcfg_link found;

	for (unsigned int i = 0; i < id->num_links; i++) {
		if (cfg->saved.more_links &&
		    link_find(cfg, &id->link[i], &found) < 0)
			return true;
		if (cfg->saved.more_rejects && id->link[i].num_routes)
			return true;
	}
	return cfg->saved.is_partial;
}

/*
 * A guest that is full of containers has more links and addresses than are
 * kept. What the identity names then has to be asked for, since an address that
 * is not known would stay, and nothing could be put back.
 */
static int state_complete(struct netcfg *cfg, const struct vmfork_identity *id)
{
	struct netstate_filter named = { link_is_named, reject_is_claimed, id };
	int ret;

	if (!state_lacks(cfg, id))
		return 0;
	cfg->is_stale = true; /* it is no more that of all links */
	ret = netstate_dump(&cfg->saved, &cfg->rtnl, &named);
	if (ret < 0)
		return ret;
	return state_lacks(cfg, id) ? -E2BIG : 0;
}

static int links_find(const struct netcfg *cfg,
		      const struct vmfork_identity *id,
		      struct netcfg_result *result)
{
	int ret = 0;

	for (unsigned int i = 0; i < id->num_links && !ret; i++) {
		ret = link_find(cfg, &id->link[i], &result->links[i]);
		for (unsigned int j = 0; j < i && !ret; j++) {
			if (result->links[j].index == result->links[i].index)
				ret = -ENOTUNIQ;
		}
	}
	return ret;
}

static int fail(struct netcfg_result *result, uint32_t step, int error)
{
	result->step = (enum vmfork_step)step;
	result->error = error;
	return -error;
}

int netcfg_apply(struct netcfg *cfg, const struct vmfork_identity *id,
		 struct netcfg_result *result)
{
	int ret, failed;

	memset(result, 0, sizeof(*result));
	dropped_forget(cfg);
	ret = netcfg_refresh(cfg);
	if (!ret)
		ret = state_complete(cfg, id);
	if (!ret)
		ret = links_find(cfg, id, result);
	if (!ret)
		ret = netbatch_build(cfg, id, result);
	if (ret < 0)
		return fail(result, VMFORK_STEP_MATCH, -ret);
	/*
	 * The kernel would tell us of each change that we make. We know, and
	 * everything will be dumped once there is time for it.
	 */
	cfg->is_deaf = rtnl_listen(&cfg->events, 0) == 0;
	cfg->is_stale = true;
	ret = cfg->send(&cfg->rtnl, &cfg->batch);
	if (ret < 0) {
		fail(result, VMFORK_STEP_LINK, -ret);
	} else {
		failed = rtnl_batch_failed(&cfg->batch);
		if (failed < 0) {
			cfg->applied = id;
			cfg->applied_to = result;
			return 0;
		}
		fail(result, cfg->batch.msg[failed].step,
		     cfg->batch.msg[failed].error);
	}
	ret = netcfg_undo(cfg, id, result);
	return ret < 0 ? fail(result, VMFORK_STEP_UNDO, -ret) : -result->error;
}
