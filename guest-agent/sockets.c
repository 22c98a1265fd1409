// SPDX-License-Identifier: MIT
/* Linux, include/uapi/linux/{sock_diag,inet_diag}.h; sock_diag(7) */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "agent.h"
#include "sockets.h"

#define ROUND_MAX  800 /* sockets in one send: they fit a batch */
#define ROUNDS_MAX 64
/* Behind the table of local addresses, before all else. */
#define RULE_PRIORITY 1
/* Those that have an address and are found by it: not what is only bound. */
#define ALL_STATES (((1U << 13) - 1) & ~1U)
/* One condition and a jump for each address, at most. */
#define FILTER_SIZE (NETCFG_DROPPED_MAX * 32)

struct collection {
	struct rtnl_batch *batch;
	unsigned int num_left; /* did not fit into this round */
	bool has_ipv6;
};

/* What a call of sockets_destroy() works with. */
struct work {
	struct sockets *sockets;
	struct rtnl *route;
	struct rtnl_batch *batch;
	const struct netcfg_dropped *dropped;
	bool is_muted;
	uint32_t num_killed;
	unsigned int num_left;
};

static int sockets_open(struct sockets *sockets)
{
	int ret = sockets->is_open ? 0 : rtnl_open_diag(&sockets->rtnl);

	sockets->is_open = !ret;
	return ret;
}

void sockets_close(struct sockets *sockets)
{
	if (sockets->is_open)
		rtnl_close(&sockets->rtnl);
	sockets->is_open = false;
}

/*
 * The filter that the kernel runs on each socket: one condition for each
 * address. A condition that holds goes on to the jump behind it, which leads to
 * the end, and that is yes; one that does not hold goes past that jump, and the
 * last one goes past the end, and that is no.
 */
static size_t filter_put(uint8_t *filter, const struct netcfg_dropped *dropped,
			 int family)
{
	size_t len = 0, jumps[NETCFG_DROPPED_MAX];
	unsigned int num = 0;

	for (unsigned int i = 0; i < dropped->num; i++) {
		bool is_ipv6 = dropped->addr[i].is_ipv6;
		size_t addr_len = is_ipv6 ? 16 : 4;
		struct inet_diag_bc_op *op = (void *)(filter + len);
		struct inet_diag_hostcond *cond = (void *)(op + 1);

		if (is_ipv6 && family == AF_INET)
			continue;
		op->code = INET_DIAG_BC_S_COND;
		op->yes = (uint8_t)(sizeof(*op) + sizeof(*cond) + addr_len);
		op->no = op->yes + sizeof(*op);
		/* an IPv4 condition holds for IPv6 sockets with such addresses */
		cond->family = is_ipv6 ? AF_INET6 : AF_INET;
		cond->prefix_len = (uint8_t)(addr_len * 8);
		cond->port = -1;
		memcpy(cond->addr, dropped->addr[i].bytes, addr_len);
		len += op->yes;
		jumps[num++] = len;
		op = (void *)(filter + len);
		op->code = INET_DIAG_BC_JMP;
		op->yes = sizeof(*op);
		len += sizeof(*op);
	}
	if (!num)
		return 0;
	len -= sizeof(struct inet_diag_bc_op); /* the last needs no jump */
	for (unsigned int i = 0; i + 1 < num; i++) {
		struct inet_diag_bc_op *op = (void *)(filter + jumps[i]);

		op->no = (uint16_t)(len - jumps[i]);
	}
	return len;
}

static int query(struct sockets *sockets, int family, uint32_t states,
		 const uint8_t *filter, size_t filter_len, rtnl_cb cb,
		 void *arg)
{
	uint8_t buf[FILTER_SIZE + 128] __attribute__((aligned(8)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct inet_diag_req_v2 *req =
		mnl_nlmsg_put_extra_header(msg, sizeof(*req));

	msg->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	req->sdiag_family = (uint8_t)family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = states;
	if (filter_len)
		mnl_attr_put(msg, INET_DIAG_REQ_BYTECODE, filter_len, filter);
	return rtnl_query(&sockets->rtnl, msg, cb, arg);
}

static int nothing_cb(const struct nlmsghdr *msg, void *arg)
{
	(void)msg;
	(void)arg;
	return 0;
}

void sockets_warm(struct sockets *sockets)
{
	if (sockets->is_warm)
		return;
	sockets->is_warm = true;
	if (!sockets_open(sockets))
		query(sockets, AF_INET, 0, NULL, 0, nothing_cb, NULL);
}

/* ::ffff:0:0/96: it speaks IPv4 */
static bool is_mapped(const struct inet_diag_msg *diag)
{
	const __be32 *addr = diag->id.idiag_src;

	return !addr[0] && !addr[1] && addr[2] == htonl(0xffff);
}

/* The message's step is the socket's state here. */
static int collect_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct inet_diag_msg *diag = mnl_nlmsg_get_payload(msg);
	struct collection *collection = arg;
	struct inet_diag_req_v2 *req;
	struct nlmsghdr *destroy;

	if (mnl_nlmsg_get_payload_len(msg) < sizeof(*diag))
		return -EBADMSG;
	collection->has_ipv6 |= diag->idiag_family == AF_INET6 &&
				!is_mapped(diag);
	if (collection->batch->num >= ROUND_MAX) {
		collection->num_left++;
		return 0;
	}
	destroy = rtnl_batch_put(collection->batch, SOCK_DESTROY, 0,
				 diag->idiag_state, RTNL_TOLERATE_ALL);
	req = mnl_nlmsg_put_extra_header(destroy, sizeof(*req));
	req->sdiag_family = diag->idiag_family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = ALL_STATES;
	req->id = diag->id;
	rtnl_batch_end(collection->batch, destroy);
	return 0;
}

static int collect_family(const struct work *work, int family,
			  struct collection *collection)
{
	uint8_t filter[FILTER_SIZE] __attribute__((aligned(8))) = { 0 };
	size_t len = filter_put(filter, work->dropped, family);

	if (!len)
		return 0;
	return query(work->sockets, family, ALL_STATES, filter, len, collect_cb,
		     collection);
}

static int collect(struct work *work, struct collection *collection)
{
	int ret;

	*collection = (struct collection){ .batch = work->batch };
	rtnl_batch_reset(work->batch);
	ret = collect_family(work, AF_INET, collection);
	if (ret < 0)
		return ret;
	ret = collect_family(work, AF_INET6, collection);
	work->num_left = collection->num_left;
	return ret == -ENOENT ? 0 : ret; /* a kernel without IPv6 */
}

/*
 * Whoever ends a connection sends a reset. IPv4 finds no route for it from an
 * address that is gone; IPv6 does not mind the address, and the peer would close
 * the parent's connection. So for that moment nothing from there has a route.
 * Best effort: a kernel without rules may still have a host that knows better.
 */
static void mute(struct work *work, bool on)
{
	rtnl_batch_reset(work->batch);
	for (unsigned int i = 0; i < work->dropped->num; i++) {
		struct fib_rule_hdr *rule;
		struct nlmsghdr *msg;

		if (!work->dropped->addr[i].is_ipv6)
			continue;
		msg = rtnl_batch_put(
			work->batch, on ? RTM_NEWRULE : RTM_DELRULE,
			on ? NLM_F_CREATE : 0, 0, RTNL_TOLERATE_ALL);
		rule = mnl_nlmsg_put_extra_header(msg, sizeof(*rule));
		rule->family = AF_INET6;
		rule->src_len = 128;
		rule->action = FR_ACT_BLACKHOLE;
		mnl_attr_put(msg, FRA_SRC, 16, work->dropped->addr[i].bytes);
		mnl_attr_put_u32(msg, FRA_PRIORITY, RULE_PRIORITY);
		rtnl_batch_end(work->batch, msg);
	}
	rtnl_batch_send(work->route, work->batch);
	work->is_muted = on;
}

/* It went by itself, or is the memory of a port, which older kernels keep. */
static bool is_gone(int error, uint32_t state)
{
	if (error == EOPNOTSUPP)
		return state == TCP_TIME_WAIT || state == TCP_FIN_WAIT2;
	return error == ENOENT || error == ESRCH || error == ESTALE;
}

/* Return: 0, or -errno of the first that was not ended */
static int batch_judge(const struct rtnl_batch *batch, uint32_t *num_killed)
{
	int ret = 0;

	for (unsigned int i = 0; i < batch->num; i++) {
		int error = batch->msg[i].error;

		if (!error)
			++*num_killed;
		else if (!is_gone(error, batch->msg[i].step) && !ret)
			ret = -error;
	}
	return ret;
}

static int round_run(struct work *work)
{
	struct collection collection;
	int ret = collect(work, &collection);

	if (!ret && collection.has_ipv6 && !work->is_muted) {
		mute(work, true);
		ret = collect(work, &collection);
	}
	if (!ret)
		ret = rtnl_batch_send(&work->sockets->rtnl, work->batch);
	return ret < 0 ? ret : batch_judge(work->batch, &work->num_killed);
}

int sockets_destroy(struct sockets *sockets, struct rtnl *route,
		    struct rtnl_batch *batch,
		    const struct netcfg_dropped *dropped, uint32_t *num_killed)
{
	struct work work = { .sockets = sockets,
			     .route = route,
			     .batch = batch,
			     .dropped = dropped };
	unsigned int rounds = 0;
	uint32_t before;
	int ret = sockets_open(sockets);

	if (ret < 0)
		return ret;
	do {
		before = work.num_killed;
		ret = round_run(&work);
	} while (!ret && work.num_left && work.num_killed != before &&
		 ++rounds < ROUNDS_MAX);
	if (work.is_muted)
		mute(&work, false);
	*num_killed = work.num_killed;
	return !ret && work.num_left ? -E2BIG : ret;
}

int sockets_run(struct agent *agent)
{
	const struct netcfg_dropped *dropped;
	uint32_t num_killed = 0;
	int ret;

	if (agent->id.guest.keep_tcp)
		return SETTLE_NOTHING;
	dropped = netcfg_dropped(&agent->netcfg);
	if (!dropped->num)
		return SETTLE_NOTHING;
	ret = sockets_destroy(&agent->sockets, &agent->netcfg.rtnl,
			      &agent->netcfg.batch, dropped, &num_killed);
	agent->record.status.num_killed = num_killed;
	return ret < 0 ? ret : dropped->more ? -E2BIG : 0;
}
