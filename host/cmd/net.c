// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "net/net.h"

static int net_describe(const struct vf_state *state, const char *name,
			json_t **out, struct vf_err *err)
{
	__json json_t *all = NULL;
	json_t *item;
	size_t i;
	int ret = net_list(state->net_fd, &all, err);

	if (ret < 0)
		return ret;
	json_array_foreach(all, i, item)
		if (!strcmp(json_string_value(json_object_get(item, "name")),
			    name))
			*out = json_incref(item);
	return 0;
}

static int create(struct cmd *cmd, const struct vf_state *state,
		  struct net_conf *conf, struct vf_err *err)
{
	__json json_t *out = NULL;
	int ret = net_create(state->net_fd, conf, err);

	if (!ret)
		ret = net_describe(state, conf->name, &out, err);
	if (ret < 0)
		return ret;
	if (cmd->json)
		return cmd_print_json(out, err);
	printf("%s\n", conf->name);
	return CMD_EXIT_DONE;
}

static int list(struct cmd *cmd, const struct vf_state *state,
		struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "NAME", .key = "name" },
		{ .title = "MODE", .key = "mode" },
		{ .title = "LINK", .key = "bridge" },
		{ .title = "UP", .key = "up" },
		{ .title = "IPV4", .key = "ipv4" },
		{ .title = "IPV6", .key = "ipv6" },
		{ .title = "OPEN", .key = "open" },
		{ .title = "NAT", .key = "nat" },
		{ .title = "LEASES", .key = "leases" },
	};
	__json json_t *rows = NULL;
	int ret = net_list(state->net_fd, &rows, err);

	if (ret < 0)
		return ret;
	return cmd_print_rows(cmd, rows, columns, ARRAY_SIZE(columns), err);
}

static int remove_all(struct cmd *cmd, const struct vf_state *state, int argc,
		      char **argv, struct vf_err *err)
{
	__json json_t *names = json_array();

	/* all or none: a name that is wrong is found before anything is gone */
	for (int i = 0; i < argc; i++) {
		struct net *net = NULL;
		int ret = net_open_existing(&net, state->net_fd, argv[i], err);

		net_close(net);
		if (ret < 0)
			return ret;
	}
	for (int i = 0; i < argc; i++) {
		int ret = net_remove(state->net_fd, argv[i], err);

		if (ret < 0)
			return ret;
		json_array_append_new(names, json_string(argv[i]));
		if (!cmd->json)
			printf("%s\n", argv[i]);
	}
	return cmd->json ? cmd_print_json(names, err) : CMD_EXIT_DONE;
}

struct request {
	struct net_conf conf;
	int argc;
	char **argv;
};

/* A verb of its own: create NAME, ls, rm NAME... */
static int dispatch(struct cmd *cmd, const struct vf_state *state, void *ctx,
		    struct vf_err *err)
{
	struct request *r = ctx;
	struct net_conf *conf = &r->conf;
	int argc = r->argc;
	char **argv = r->argv;

	if (!strcmp(argv[0], "ls") && argc == 1)
		return list(cmd, state, err);
	if (!strcmp(argv[0], "rm") && argc > 1)
		return remove_all(cmd, state, argc - 1, argv + 1, err);
	if (!strcmp(argv[0], "create") && argc == 2) {
		if (!vf_name_is_valid(argv[1], NET_NAME_MAX))
			return vf_err_set(err, EINVAL,
					  "network name '%.64s': invalid: up "
					  "to %d of a-z 0-9 . _ -",
					  argv[1], NET_NAME_MAX);
		snprintf(conf->name, sizeof(conf->name), "%s", argv[1]);
		return create(cmd, state, conf, err);
	}
	return cmd_usage_error(cmd, err,
			       "'%s': needs create NAME, ls, or rm NAME...",
			       argv[0]);
}

int cmd_net(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const char *subnet4 = NULL, *subnet6 = NULL, *mode = "bridge";
	struct request request = { 0 };
	struct net_conf *conf = &request.conf;
	const struct opt opts[] = {
		{ "open", 0, OPT_FLAG, &conf->open, NULL,
		  "VMs of this network reach each other" },
		{ "nat", 0, OPT_FLAG, &conf->nat, NULL,
		  "VMs reach the world behind this machine's address" },
		{ "ipv4", 0, OPT_STRING, &subnet4, "ADDR/LEN",
		  "the gateway's IPv4 address (a free 10.x.0.1/16)" },
		{ "ipv6", 0, OPT_STRING, &subnet6, "ADDR/64",
		  "the gateway's IPv6 address (a random ULA)" },
		{ "mode", 0, OPT_STRING, &mode, "bridge|routed",
		  "attach VMs to a bridge (up to 1023), or route to each "
		  "(up to 4096)" },
		{ 0 },
	};
	const struct usage usage = {
		"create NAME | ls | rm NAME...",
		"Create, list and remove networks.",
		opts,
		1,
		-1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (subnet4 &&
	    net_addr_parse(AF_INET, subnet4, &conf->addr4, &conf->prefix4) < 0)
		return cmd_usage_error(cmd, err, "--ipv4 '%s': not ADDR/LEN",
				       subnet4);
	if (subnet6 &&
	    net_addr_parse(AF_INET6, subnet6, &conf->addr6, &conf->prefix6) < 0)
		return cmd_usage_error(cmd, err, "--ipv6 '%s': not ADDR/LEN",
				       subnet6);
	ret = net_mode_parse(mode);
	if (ret < 0)
		return cmd_usage_error(
			cmd, err, "--mode '%s': not bridge or routed", mode);
	conf->mode = ret;
	request.argc = argc;
	request.argv = argv;
	return cmd_change(cmd, !strcmp(argv[0], "create") ? GC_MAKES : GC_FREES,
			  dispatch, &request, err);
}
