// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "net/bridge.h"
#include "net/filter.h"
#include "net/network.h"
#include "net/pool.h"
#include "net/record.h"
#include "net/subnet.h"

/* a name of a network cannot begin with a dot */
#define LOCK_FILE	".lock"
#define LOCK_TIMEOUT_MS 10000

int network_lock(int state_fd, struct vf_err *err)
{
	int fd = vf_lock(state_fd, LOCK_FILE, LOCK_TIMEOUT_MS, err);

	return fd < 0 ? vf_err_wrap(err, "networks") : fd;
}

int network_load(struct net *net, int state_fd, const char *name,
		 struct vf_err *err)
{
	net->dir_fd = -1;
	return record_load(state_fd, name, &net->conf, &net->dir_fd, err);
}

void network_exit(struct net *net)
{
	if (net->dir_fd >= 0)
		close(net->dir_fd);
	net->dir_fd = -1;
}

static int network_is_up(struct rtnl *rtnl, const struct net_conf *conf,
			 struct vf_err *err)
{
	int state = bridge_get_state(rtnl, conf, err);

	if (state < 0 || state != BRIDGE_UP)
		return state < 0 ? state : 0;
	return filter_is_up(conf, err);
}

/* On a bridge, siblings of an open network need no host. */
static bool wants_forwarding(const struct net_conf *conf)
{
	return conf->nat || (conf->open && conf->mode == NET_MODE_ROUTED);
}

/*
 * Rules first: a port is never on a bridge that nothing watches. What a failure
 * leaves is a complete part; the next attempt finds it, net_remove() too.
 */
static int network_put_up(struct rtnl *rtnl, const struct net_conf *conf,
			  struct vf_err *err)
{
	int state = bridge_get_state(rtnl, conf, err);
	int ret;

	if (state < 0)
		return state;
	if (state == BRIDGE_FOREIGN)
		return bridge_refuse(rtnl, conf, err);
	ret = filter_up(conf, err);
	if (ret == 0)
		ret = bridge_up(rtnl, conf, err);
	if (ret == 0 && wants_forwarding(conf))
		ret = bridge_forward(conf, err);
	return ret;
}

static int network_put_down(struct rtnl *rtnl, const struct net_conf *conf,
			    struct vf_err *err)
{
	int state = bridge_get_state(rtnl, conf, err);
	int ret;

	/* rules are found by the bridge's name only: then they are not ours */
	if (state < 0 || state == BRIDGE_FOREIGN)
		return state < 0 ? state : 0;
	ret = bridge_down(rtnl, conf, err);
	return ret < 0 ? ret : filter_down(conf, err);
}

static int record_save(int state_fd, const struct net_conf *conf,
		       struct vf_err *err)
{
	__json json_t *json = record_to_json(conf);
	__close int dir_fd = -1;
	int ret;

	if (!json)
		return vf_err_errno(err, ENOMEM, "network %s", conf->name);
	dir_fd = vf_mkdir_open(state_fd, conf->name, err);
	if (dir_fd < 0)
		return vf_err_wrap(err, "network %s", conf->name);
	ret = vf_json_save(dir_fd, RECORD_FILE, json, true, err);
	return ret < 0 ? vf_err_wrap(err, "network %s", conf->name) : 0;
}

static int name_check(int state_fd, struct net_conf *conf, struct rtnl *rtnl,
		      struct vf_err *err)
{
	struct vf_err load_err;
	struct net_conf other;
	int ret;

	if (!vf_name_is_valid(conf->name, NET_NAME_MAX))
		return vf_err_set(err, EINVAL, "network %s: invalid name",
				  conf->name);
	if (record_load(state_fd, conf->name, &other, NULL, &load_err) !=
	    -ENOENT)
		return vf_err_set(err, EEXIST, "network %s: exists",
				  conf->name);
	snprintf(conf->bridge, sizeof(conf->bridge), "vfb-%s", conf->name);
	ret = bridge_get_state(rtnl, conf, err);
	if (ret < 0)
		return ret;
	/* without a record no link can be ours: its MAC is not known yet */
	if (ret != BRIDGE_ABSENT)
		return bridge_refuse(rtnl, conf, err);
	return 0;
}

/* The record first: whatever is there after a crash can be found by it. */
int net_create(int state_fd, struct net_conf *conf, struct vf_err *err)
{
	__rtnl struct rtnl rtnl = RTNL_INIT;
	__close int lock_fd = -1;
	struct vf_err undo_err;
	int ret;

	lock_fd = network_lock(state_fd, err);
	if (lock_fd < 0)
		return lock_fd;
	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret == 0)
		ret = name_check(state_fd, conf, &rtnl, err);
	if (ret == 0)
		ret = subnet_choose(&rtnl, state_fd, conf, err);
	if (ret < 0)
		return ret;
	ret = record_save(state_fd, conf, err);
	if (ret == 0)
		ret = network_put_up(&rtnl, conf, err);
	if (ret == 0)
		ret = filter_complete(conf, err);
	if (ret == 0)
		return 0;
	network_put_down(&rtnl, conf, &undo_err);
	vf_remove_tree(state_fd, conf->name);
	return ret;
}

static int default_open(struct net *net, int state_fd, struct vf_err *err)
{
	struct net_conf conf = { .name = NET_DEFAULT_NAME };
	struct vf_err ignored;
	int ret = net_create(state_fd, &conf, err);

	if (!ret)
		return network_load(net, state_fd, conf.name, err);
	/* another command may have been faster */
	if (ret == -EEXIST &&
	    network_load(net, state_fd, conf.name, &ignored) == 0)
		return 0;
	return ret;
}

static int network_repair(struct net *net, int state_fd, struct rtnl *rtnl,
			  struct vf_err *err)
{
	__close int lock_fd = network_lock(state_fd, err);
	int ret;

	if (lock_fd < 0)
		return lock_fd;
	ret = network_is_up(rtnl, &net->conf, err);
	if (ret != 0)
		return ret < 0 ? ret : 0;
	ret = network_put_up(rtnl, &net->conf, err);
	if (ret == 0)
		ret = ports_reattach(net, err);
	/* else the next one who opens it tries again */
	return ret < 0 ? ret : filter_complete(&net->conf, err);
}

static int network_open(struct net *net, int state_fd, const char *name,
			struct vf_err *err)
{
	__rtnl struct rtnl rtnl = RTNL_INIT;
	int ret;

	ret = network_load(net, state_fd, name, err);
	if (ret == -ENOENT && !strcmp(name, NET_DEFAULT_NAME))
		ret = default_open(net, state_fd, err);
	if (ret == 0)
		ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret < 0)
		return ret;
	ret = network_is_up(&rtnl, &net->conf, err);
	if (ret != 0)
		return ret < 0 ? ret : 0;
	return network_repair(net, state_fd, &rtnl, err);
}

static int net_open_with(struct net **net, int state_fd, const char *name,
			 int (*open)(struct net *net, int state_fd,
				     const char *name, struct vf_err *err),
			 struct vf_err *err)
{
	int ret;

	*net = malloc(sizeof(**net));
	if (!*net)
		return vf_err_errno(err, ENOMEM, "network %.64s", name);
	**net = (struct net)NETWORK_INIT;
	ret = open(*net, state_fd, name, err);
	if (ret == 0)
		return 0;
	net_close(*net);
	*net = NULL;
	return ret;
}

int net_open(struct net **net, int state_fd, const char *name,
	     struct vf_err *err)
{
	return net_open_with(net, state_fd, name, network_open, err);
}

int net_open_existing(struct net **net, int state_fd, const char *name,
		      struct vf_err *err)
{
	return net_open_with(net, state_fd, name, network_load, err);
}

void net_close(struct net *net)
{
	if (!net)
		return;
	network_exit(net);
	free(net);
}

const struct net_conf *net_get_conf(const struct net *net)
{
	return &net->conf;
}

const struct net_moments *net_get_moments(const struct net *net)
{
	return &net->moments;
}

/* Others may rely on it by now: who wants it off has to know that it is on. */
static void tell_forwarding(int state_fd, const struct net_conf *gone)
{
	__record_names struct record_names names = { 0 };
	struct vf_err ignored;
	struct net_conf conf;

	if (!wants_forwarding(gone) ||
	    record_names(state_fd, &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.num; i++)
		if (record_load(state_fd, names.names[i], &conf, NULL,
				&ignored) == 0 &&
		    wants_forwarding(&conf))
			return;
	vf_log(VF_LOG_INFO,
	       "network %s: was the last to need the kernel's forwarding, "
	       "which stays on",
	       gone->name);
}

int net_remove(int state_fd, const char *name, struct vf_err *err)
{
	__network struct net net = NETWORK_INIT;
	__leases struct leases leases = { 0 };
	__rtnl struct rtnl rtnl = RTNL_INIT;
	__close int lock_fd = -1, leases_fd = -1;
	int ret;

	lock_fd = network_lock(state_fd, err);
	if (lock_fd < 0)
		return lock_fd;
	ret = network_load(&net, state_fd, name, err);
	if (ret == 0)
		ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret < 0)
		return ret;
	/* held to the end: nobody leases from what is being removed */
	leases_fd = leases_lock(net.dir_fd, &net.conf, err);
	if (leases_fd < 0)
		return leases_fd;
	ret = leases_load(net.dir_fd, &net.conf, &leases, err);
	if (ret < 0)
		return ret;
	if (leases.num) {
		vf_err_set(err, EBUSY, "network %s: in use by %s", name,
			   leases.ports[0].owner);
		if (leases.num > 1)
			vf_err_set(err, EBUSY,
				   "network %s: in use by %s and %zu more",
				   name, leases.ports[0].owner, leases.num - 1);
		vf_err_hint(err, "'vmfork stop' ends VMs, 'vmfork pool drain' "
				 "those of the pool");
		return -EBUSY;
	}
	ret = network_put_down(&rtnl, &net.conf, err);
	if (ret < 0)
		return ret;
	ret = vf_remove_tree(state_fd, name);
	if (ret < 0)
		return vf_err_errno(err, ret, "network %s", name);
	tell_forwarding(state_fd, &net.conf);
	return 0;
}

static int list_add(int state_fd, const char *name, struct rtnl *rtnl,
		    json_t *out, struct vf_err *err)
{
	__network struct net net = NETWORK_INIT;
	__leases struct leases leases = { 0 };
	json_t *json;
	int ret, up;

	ret = network_load(&net, state_fd, name, err);
	if (ret == -ENOENT) /* half made, or just removed */
		return 0;
	if (ret == 0)
		ret = leases_load(net.dir_fd, &net.conf, &leases, err);
	if (ret < 0)
		return ret;
	up = network_is_up(rtnl, &net.conf, err);
	if (up < 0)
		return up;
	json = record_to_json(&net.conf);
	if (!json || json_object_set_new(json, "up", json_boolean(up)) < 0 ||
	    json_object_set_new(json, "leases", json_integer(leases.num)) < 0 ||
	    json_array_append_new(out, json) < 0)
		return vf_err_errno(err, ENOMEM, "networks");
	return 0;
}

int net_list(int state_fd, json_t **out, struct vf_err *err)
{
	__record_names struct record_names names = { 0 };
	__json json_t *all = json_array();
	__rtnl struct rtnl rtnl = RTNL_INIT;
	int ret;

	ret = record_names(state_fd, &names, err);
	if (ret == 0)
		ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	for (size_t i = 0; ret == 0 && i < names.num; i++)
		ret = list_add(state_fd, names.names[i], &rtnl, all, err);
	if (ret == 0)
		*out = vf_steal(&all);
	return ret;
}
