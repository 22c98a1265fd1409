// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/lease.h"
#include "net/pool.h"
#include "net/record.h"
#include "net/tap.h"

#define LEASE_FILE	"leases.json"
#define LOCK_FILE	"lock"
#define LOCK_TIMEOUT_MS 5000

void leases_free(struct leases *leases)
{
	free(leases->ports);
	leases->ports = NULL;
	leases->num = 0;
}

int leases_lock(int dir_fd, const struct net_conf *conf, struct vf_err *err)
{
	int fd = vf_lock(dir_fd, LOCK_FILE, LOCK_TIMEOUT_MS, err);

	return fd < 0 ? vf_err_wrap(err, "network %s", conf->name) : fd;
}

static int port_compare(const void *a, const void *b)
{
	uint32_t index_a = ((const struct net_port *)a)->index;
	uint32_t index_b = ((const struct net_port *)b)->index;

	return index_a < index_b ? -1 : index_a > index_b;
}

/*
 * A lease is read back whole, and compared with what its index makes of it: a
 * file of another network, or one edited by hand, would give two VMs one
 * address.
 */
static int lease_load(const struct net_conf *conf, const char *owner,
		      json_t *json, struct net_port *port, struct vf_err *err)
{
	struct net_port expected;
	int ret;

	ret = net_port_load(port, json, err);
	if (ret < 0)
		return ret;
	expected = *port;
	pool_fill(conf, &expected);
	if (port->index > pool_last(conf) ||
	    pool_is_gateway(conf, port->index) || strcmp(port->owner, owner) ||
	    memcmp(port->mac, expected.mac, sizeof(port->mac)) ||
	    port->addr4.s_addr != expected.addr4.s_addr ||
	    port->prefix4 != expected.prefix4 ||
	    port->prefix6 != expected.prefix6 ||
	    memcmp(&port->addr6, &expected.addr6, sizeof(port->addr6)))
		return vf_err_set(err, EBADMSG, "not an identity of network %s",
				  conf->name);
	return 0;
}

static int leases_parse(const struct net_conf *conf, json_t *root,
			struct leases *leases, struct vf_err *err)
{
	const char *owner;
	json_int_t cursor;
	json_t *all, *json;
	int ret;

	ret = vf_json_unpack(root, "leases", err, "{s:I, s:o}", "cursor",
			     &cursor, "leases", &all);
	if (ret < 0)
		return ret;
	if (!json_is_object(all) || cursor < 0 || cursor > UINT32_MAX)
		return vf_err_set(err, EBADMSG, "a value is malformed");
	leases->cursor = cursor;
	leases->ports =
		calloc(json_object_size(all) + 1, sizeof(*leases->ports));
	if (!leases->ports)
		return vf_err_errno(err, ENOMEM, "leases");
	json_object_foreach(all, owner, json) {
		ret = lease_load(conf, owner, json, &leases->ports[leases->num],
				 err);
		if (ret < 0)
			return vf_err_wrap(err, "%.64s", owner);
		leases->num++;
	}
	qsort(leases->ports, leases->num, sizeof(*leases->ports), port_compare);
	for (size_t i = 1; i < leases->num; i++) {
		if (leases->ports[i - 1].index == leases->ports[i].index)
			return vf_err_set(err, EBADMSG, "%s and %s: one index",
					  leases->ports[i - 1].owner,
					  leases->ports[i].owner);
	}
	return 0;
}

int leases_load(int dir_fd, const struct net_conf *conf, struct leases *leases,
		struct vf_err *err)
{
	__json json_t *root = NULL;
	int ret;

	*leases = (struct leases){ .cursor = 1 };
	ret = vf_json_load(dir_fd, LEASE_FILE, &root, err);
	if (ret == -ENOENT) {
		*err = (struct vf_err){ 0 };
		return 0;
	}
	if (ret == 0) {
		ret = leases_parse(conf, root, leases, err);
		if (ret == 0)
			return 0;
		vf_err_wrap(err, LEASE_FILE);
	}
	leases_free(leases);
	return vf_err_wrap(err, "network %s", conf->name);
}

static int leases_save(int dir_fd, const struct net_conf *conf,
		       const struct leases *leases, struct vf_err *err)
{
	__json json_t *all = json_object(), *root = NULL;

	for (size_t i = 0; i < leases->num; i++) {
		const struct net_port *port = &leases->ports[i];

		if (json_object_set_new(all, port->owner,
					net_port_save(conf->name, port)) < 0)
			return vf_err_errno(err, ENOMEM, LEASE_FILE);
	}
	root = json_pack("{s:I, s:O}", "cursor", (json_int_t)leases->cursor,
			 "leases", all);
	if (!root)
		return vf_err_errno(err, ENOMEM, LEASE_FILE);
	/* not durable: a lease does not outlive the host's next boot */
	if (vf_json_save(dir_fd, LEASE_FILE, root, false, err) < 0)
		return vf_err_wrap(err, "network %s", conf->name);
	return 0;
}

struct net_port *leases_find(const struct leases *leases, const char *owner)
{
	for (size_t i = 0; i < leases->num; i++) {
		if (!strcmp(leases->ports[i].owner, owner))
			return &leases->ports[i];
	}
	return NULL;
}

static int owners_check(const struct leases *leases,
			const struct net_conf *conf,
			const struct net_port *ports, unsigned int num,
			struct vf_err *err)
{
	for (unsigned int i = 0; i < num; i++) {
		bool taken = leases_find(leases, ports[i].owner);

		if (!vf_name_is_valid(ports[i].owner, VF_NAME_MAX))
			return vf_err_set(err, EINVAL, "%s: invalid name",
					  ports[i].owner);
		for (unsigned int j = 0; j < i && !taken; j++)
			taken = !strcmp(ports[i].owner, ports[j].owner);
		if (taken)
			return vf_err_set(err, EEXIST,
					  "network %s: %s has a lease already",
					  conf->name, ports[i].owner);
	}
	return 0;
}

/* Find @num free indices; @used has room for them behind those it holds. */
static int indices_take(const struct net_conf *conf, struct leases *leases,
			uint32_t *used, struct net_port *ports,
			unsigned int num, struct vf_err *err)
{
	size_t num_used = leases->num, at;

	for (unsigned int i = 0; i < num; i++) {
		uint32_t index =
			pool_find(conf, leases->cursor, used, num_used);

		if (!index)
			return vf_err_set(err, ENOSPC,
					  "network %s: no address is free",
					  conf->name);
		for (at = num_used++; at > 0 && used[at - 1] > index; at--)
			used[at] = used[at - 1];
		used[at] = index;
		leases->cursor = index + 1;
		ports[i].index = index;
		ports[i].verified = false;
		pool_fill(conf, &ports[i]);
		if (tap_name_choose(ports[i].tap) < 0)
			return vf_err_errno(err, EIO, "random numbers");
	}
	return 0;
}

static int leases_extend(const struct net_conf *conf, struct leases *leases,
			 struct net_port *ports, unsigned int num,
			 struct vf_err *err)
{
	__free uint32_t *used = NULL;
	struct net_port *grown;
	int ret;

	if (num > LEASES_MAX || leases->num > LEASES_MAX - num)
		return vf_err_set(err, ENOSPC,
				  "network %s: a bridge takes %d ports",
				  conf->name, LEASES_MAX);
	used = calloc(leases->num + num + 1, sizeof(*used));
	grown = realloc(leases->ports,
			(leases->num + num + 1) * sizeof(*grown));
	if (grown)
		leases->ports = grown;
	if (!used || !grown)
		return vf_err_errno(err, ENOMEM, "leases");
	for (size_t i = 0; i < leases->num; i++)
		used[i] = leases->ports[i].index;
	ret = indices_take(conf, leases, used, ports, num, err);
	if (ret < 0)
		return ret;
	memcpy(&leases->ports[leases->num], ports, num * sizeof(*ports));
	leases->num += num;
	return 0;
}

int leases_add(int dir_fd, const struct net_conf *conf, struct net_port *ports,
	       unsigned int num, struct vf_err *err)
{
	__leases struct leases leases = { 0 };
	__close int lock_fd = -1;
	int ret;

	lock_fd = leases_lock(dir_fd, conf, err);
	if (lock_fd < 0)
		return lock_fd;
	ret = leases_load(dir_fd, conf, &leases, err);
	if (ret < 0)
		return ret;
	ret = owners_check(&leases, conf, ports, num, err);
	if (ret < 0)
		return ret;
	ret = leases_extend(conf, &leases, ports, num, err);
	if (ret < 0)
		return ret;
	return leases_save(dir_fd, conf, &leases, err);
}

int leases_remove(int dir_fd, const struct net_conf *conf,
		  const struct net_port *ports, unsigned int num,
		  struct vf_err *err)
{
	__leases struct leases leases = { 0 };
	__close int lock_fd = -1;
	size_t num_before;
	int ret;

	lock_fd = leases_lock(dir_fd, conf, err);
	if (lock_fd < 0)
		return lock_fd;
	ret = leases_load(dir_fd, conf, &leases, err);
	if (ret < 0)
		return ret;
	num_before = leases.num;
	for (unsigned int i = 0; i < num; i++) {
		struct net_port *port = leases_find(&leases, ports[i].owner);

		if (!port || port->index != ports[i].index)
			continue;
		memmove(port, port + 1,
			(&leases.ports[--leases.num] - port) * sizeof(*port));
	}
	if (leases.num == num_before)
		return 0;
	return leases_save(dir_fd, conf, &leases, err);
}
