// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/links.h"
#include "core/route.h"

void links_opts(struct opt opts[LINKS_OPTS], struct opt_order *order)
{
	const struct opt table[] = {
		{ "net", 0, OPT_ORDER, order, "NAME",
		  "network of the next interface, up to 4 times" },
		{ "ip", 0, OPT_ORDER, order, "ADDR",
		  "its address, several times (a free one of each family)" },
		{ "mac", 0, OPT_ORDER, order, "MAC", "its MAC (a free one)" },
		{ "mtu", 0, OPT_ORDER, order, "BYTES", "its MTU" },
		{ "route", 0, OPT_ORDER, order, "ROUTE",
		  "'DST via GATEWAY [metric N] [src ADDR]', 'blackhole DST'" },
		{ "no-ipv4", 0, OPT_ORDER, order, NULL, "it has no IPv4" },
		{ "no-ipv6", 0, OPT_ORDER, order, NULL, "it has no IPv6" },
		{ "rate-in", 0, OPT_ORDER, order, "RATE",
		  "what it may receive, as in 10mbit (all)" },
		{ "rate-out", 0, OPT_ORDER, order, "RATE",
		  "what it may send (all)" },
		{ 0 },
	};

	static_assert(ARRAY_SIZE(table) == LINKS_OPTS, "options");
	*order = (struct opt_order){ 0 };
	memcpy(opts, table, sizeof(table));
}

/* The interface of which the options are about at the moment. */
struct parser {
	struct cmd *cmd;
	struct vm_link *links;
	struct vm_link *link;
	unsigned int num;      /* of which anything was asked */
	unsigned int num_nets; /* that were named */
};

static int parse_net(struct parser *p, const char *arg, struct vf_err *err)
{
	if (p->num_nets == VM_NICS_MAX)
		return cmd_usage_error(p->cmd, err, "--net: more than %d",
				       VM_NICS_MAX);
	if (!vf_name_is_valid(arg, NET_NAME_MAX))
		return vf_err_set(err, EINVAL,
				  "network name '%.64s': invalid: up to %d of "
				  "a-z 0-9 . _ -",
				  arg, NET_NAME_MAX);
	p->link = &p->links[p->num_nets++];
	strcpy(p->link->net_name, arg);
	return 0;
}

static int parse_ip(struct parser *p, const char *arg, struct vf_err *err)
{
	const char *why = "is no address";

	switch (net_wish_addr(&p->link->wish, arg)) {
	case 0:
		return 0;
	case -E2BIG:
		why = "is one too many: 4 of a family";
		break;
	case -EEXIST:
		why = "given twice";
		break;
	case -EDOM:
		why = "has another prefix length than the one before";
		break;
	}
	return cmd_usage_error(p->cmd, err, "--ip '%.64s': %s", arg, why);
}

static int parse_mac(struct parser *p, const char *arg, struct vf_err *err)
{
	if (net_wish_mac(&p->link->wish, arg) < 0)
		return cmd_usage_error(p->cmd, err, "--mac '%.64s': is no MAC",
				       arg);
	return 0;
}

static int parse_mtu(struct parser *p, const char *arg, struct vf_err *err)
{
	char *end;
	unsigned long mtu = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || mtu < NIC_MTU_MIN ||
	    mtu > NIC_MTU_MAX)
		return cmd_usage_error(p->cmd, err,
				       "--mtu '%.64s': not %d to %d", arg,
				       NIC_MTU_MIN, NIC_MTU_MAX);
	p->link->mtu = (uint32_t)mtu;
	return 0;
}

static int parse_route(struct parser *p, const char *arg, struct vf_err *err)
{
	struct vm_link *link = p->link;
	const char *why;

	if (link->num_routes == IDENTITY_ROUTES_MAX)
		return cmd_usage_error(p->cmd, err,
				       "--route '%.64s': is one too many: %d "
				       "of an interface",
				       arg, IDENTITY_ROUTES_MAX);
	if (route_parse(&link->routes[link->num_routes], arg, &why) < 0)
		return cmd_usage_error(p->cmd, err, "--route '%.64s': %s", arg,
				       why);
	link->num_routes++;
	return 0;
}

static int parse_no_ipv4(struct parser *p, const char *arg, struct vf_err *err)
{
	(void)arg;
	(void)err;
	p->link->wish.no_ipv4 = true;
	return 0;
}

static int parse_no_ipv6(struct parser *p, const char *arg, struct vf_err *err)
{
	(void)arg;
	(void)err;
	p->link->wish.no_ipv6 = true;
	return 0;
}

static int parse_rate(struct parser *p, uint64_t *bits, const char *which,
		      const char *arg, struct vf_err *err)
{
	const char *why = "is no rate: a number with bit, kbit, mbit or gbit";

	switch (shape_parse(bits, arg)) {
	case 0:
		return 0;
	case -ERANGE:
		why = "not 8kbit to 100gbit";
		break;
	}
	return cmd_usage_error(p->cmd, err, "--%s '%.64s': %s", which, arg,
			       why);
}

static int parse_rate_in(struct parser *p, const char *arg, struct vf_err *err)
{
	return parse_rate(p, &p->link->rates.in_bits, "rate-in", arg, err);
}

static int parse_rate_out(struct parser *p, const char *arg, struct vf_err *err)
{
	return parse_rate(p, &p->link->rates.out_bits, "rate-out", arg, err);
}

static const struct {
	const char *name;
	int (*parse)(struct parser *p, const char *arg, struct vf_err *err);
	bool is_host; /* the guest need not be told */
} parsers[] = {
	{ "net", parse_net, true },
	{ "ip", parse_ip, false },
	{ "mac", parse_mac, false },
	{ "mtu", parse_mtu, false },
	{ "route", parse_route, false },
	{ "no-ipv4", parse_no_ipv4, false },
	{ "no-ipv6", parse_no_ipv6, false },
	{ "rate-in", parse_rate_in, true },
	{ "rate-out", parse_rate_out, true },
};

static int parse_one(struct parser *p, const char *name, const char *arg,
		     struct vf_err *err)
{
	unsigned int touched;
	int ret = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parsers); i++)
		if (!strcmp(parsers[i].name, name))
			ret = parsers[i].parse(p, arg, err);
	touched = (unsigned int)(p->link - p->links) + 1;
	if (touched > p->num)
		p->num = touched;
	return ret;
}

/* What only makes sense together. */
static int check_link(struct cmd *cmd, const struct vm_link *link,
		      struct vf_err *err)
{
	const struct net_wish *wish = &link->wish;

	if (wish->no_ipv4 && wish->no_ipv6)
		return cmd_usage_error(
			cmd, err, "--no-ipv4 and --no-ipv6: nothing is left");
	if ((wish->no_ipv4 && wish->num_addr4) ||
	    (wish->no_ipv6 && wish->num_addr6))
		return cmd_usage_error(cmd, err,
				       "--no-ipv%d, and --ip asks for one",
				       wish->no_ipv4 ? 4 : 6);
	if (link->mtu && link->mtu < NIC_MTU6_MIN && !wish->no_ipv6)
		return cmd_usage_error(cmd, err,
				       "--mtu %u: IPv6 needs %d: only with "
				       "--no-ipv6",
				       link->mtu, NIC_MTU6_MIN);
	return 0;
}

int links_parse(struct cmd *cmd, struct vm_link *links, unsigned int *num,
		const struct opt_order *order, struct vf_err *err)
{
	struct parser p = { .cmd = cmd, .links = links, .link = links };
	int ret = 0;

	memset(links, 0, VM_NICS_MAX * sizeof(*links));
	for (unsigned int i = 0; !ret && i < order->num; i++)
		ret = parse_one(&p, order->item[i].opt->name,
				order->item[i].arg, err);
	for (unsigned int k = 0; !ret && k < p.num; k++)
		ret = check_link(cmd, &links[k], err);
	*num = p.num;
	return ret;
}

int links_check_num(struct cmd *cmd, unsigned int num,
		    const struct snapshot *snapshot, struct vf_err *err)
{
	if (num <= snapshot->num_nics)
		return 0;
	return cmd_usage_error(cmd, err,
			       "--net: named %u times, and snapshot %s has %u "
			       "interface%s",
			       num, snapshot->name, snapshot->num_nics,
			       snapshot->num_nics == 1 ? "" : "s");
}

const char *links_asked(const struct opt_order *order)
{
	for (unsigned int i = 0; i < order->num; i++) {
		const char *name = order->item[i].opt->name;

		for (size_t k = 0; k < ARRAY_SIZE(parsers); k++)
			if (!strcmp(parsers[k].name, name) &&
			    !parsers[k].is_host)
				return name;
	}
	return NULL;
}

bool links_has_personal(const struct vm_link *links, unsigned int num)
{
	for (unsigned int k = 0; k < num; k++)
		if (net_wish_is_personal(&links[k].wish))
			return true;
	return false;
}
