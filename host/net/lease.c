// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/claim.h"
#include "net/lease.h"
#include "net/mode.h"
#include "net/pool.h"
#include "net/record.h"
#include "net/tap.h"
#include "net/wish.h"

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
 * A lease is read back whole, and compared with what its index makes of it, or
 * checked as if it were asked for by hand now: a file of another network, or one
 * that was edited, would give two VMs one address.
 */
static int lease_load(const struct net_conf *conf, const char *owner,
		      json_t *json, struct net_port *port, struct vf_err *err)
{
	int ret = net_port_load(port, json, err);

	if (ret < 0)
		return ret;
	if (port->index > pool_last(conf) ||
	    pool_is_gateway(conf, port->index) || strcmp(port->owner, owner) ||
	    port->by_hand != claim_is_by_hand(conf, port) ||
	    claim_check(conf, port, err) < 0)
		return vf_err_set(err, EBADMSG, "not an identity of network %s",
				  conf->name);
	return 0;
}

/* What the pool gave is told apart by its index; what was asked for is not. */
static int leases_distinct(const struct net_conf *conf,
			   const struct leases *leases, struct vf_err *err)
{
	for (size_t i = 0; i < leases->num; i++) {
		const struct net_port *port = &leases->ports[i];

		if (i && port[-1].index == port->index)
			return vf_err_set(err, EBADMSG, "%s and %s: one index",
					  port[-1].owner, port->owner);
		if (port->by_hand &&
		    claim_conflict(conf, leases, port, err) < 0)
			return vf_err_set(err, EBADMSG,
					  "%s: has what another has",
					  port->owner);
	}
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
	return leases_distinct(conf, leases, err);
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

static int owner_compare(const void *a, const void *b)
{
	return strcmp((*(const struct net_port *const *)a)->owner,
		      (*(const struct net_port *const *)b)->owner);
}

/* Ports in the order of their owners' names; NULL without memory. */
static const struct net_port **owners_sort(const struct net_port *a,
					   size_t num_a,
					   const struct net_port *b,
					   size_t num_b)
{
	const struct net_port **ports =
		calloc(num_a + num_b + 1, sizeof(struct net_port *));

	for (size_t i = 0; ports && i < num_a; i++)
		ports[i] = &a[i];
	for (size_t i = 0; ports && i < num_b; i++)
		ports[num_a + i] = &b[i];
	if (ports)
		qsort(ports, num_a + num_b, sizeof(struct net_port *),
		      owner_compare);
	return ports;
}

/* Those that are to get leases have valid names, and none of them has one. */
static int owners_check(const struct leases *leases,
			const struct net_conf *conf,
			const struct net_port *ports, unsigned int num,
			struct vf_err *err)
{
	__free const struct net_port **all =
		owners_sort(leases->ports, leases->num, ports, num);

	if (!all)
		return vf_err_errno(err, ENOMEM, "leases");
	for (unsigned int i = 0; i < num; i++)
		if (!vf_name_is_valid(ports[i].owner, VF_NAME_MAX))
			return vf_err_set(err, EINVAL, "%s: invalid name",
					  ports[i].owner);
	for (size_t i = 1; i < leases->num + num; i++)
		if (!owner_compare(&all[i - 1], &all[i]))
			return vf_err_set(err, EEXIST,
					  "network %s: %s has a lease already",
					  conf->name, all[i]->owner);
	return 0;
}

/* One more identity: what the pool gives, and in place of it what is wished. */
static int port_take(const struct net_conf *conf, struct leases *leases,
		     struct claimed *claimed, const struct net_wish *wish,
		     struct net_port *port, struct vf_err *err)
{
	uint32_t index = wish_index(conf, wish);
	int ret;

	if (!index || index > pool_last(conf) || pool_is_gateway(conf, index) ||
	    claimed_has(claimed, index)) {
		index = pool_find(conf, leases->cursor, claimed->indices,
				  claimed->num);
		if (!index)
			return vf_err_set(err, ENOSPC,
					  "network %s: no address is free",
					  conf->name);
		leases->cursor = index + 1;
	}
	port->index = index;
	port->verified = false;
	pool_fill(conf, port);
	wish_fill(wish, port);
	port->by_hand = claim_is_by_hand(conf, port);
	ret = claim_check(conf, port, err);
	if (!ret && port->by_hand)
		ret = claim_conflict(conf, leases, port, err);
	if (ret < 0)
		return ret;
	if (tap_name_choose(port->tap) < 0)
		return vf_err_errno(err, EIO, "random numbers");
	claimed_add(claimed, index);
	leases->ports[leases->num++] = *port;
	return 0;
}

/* Said before anything is made: how many there are, and what can be done. */
static int room_check(const struct net_conf *conf, size_t leased,
		      unsigned int num, struct vf_err *err)
{
	const struct mode_ops *mode = mode_of(conf);
	uint32_t free = pool_last(conf) - 1; /* one is the gateway's */

	if (num > mode->ports_max || leased > mode->ports_max - num) {
		vf_err_set(
			err, ENOSPC,
			"network %s: %u more ports: %s %u, and %zu are in use",
			conf->name, num, mode->limit, mode->ports_max, leased);
		if (conf->mode == NET_MODE_BRIDGE)
			vf_err_hint(err,
				    "a routed network takes more: "
				    "'vmfork net create NAME --mode routed'");
		return -ENOSPC;
	}
	if (leased + num <= free)
		return 0;
	vf_err_set(err, ENOSPC,
		   "network %s: %u more ports: its subnet has %u addresses, "
		   "and %zu are in use",
		   conf->name, num, free, leased);
	vf_err_hint(err, "a shorter prefix has more: 'vmfork net create NAME "
			 "--ipv4 ADDR/LEN'");
	return -ENOSPC;
}

static int leases_extend(const struct net_conf *conf, struct leases *leases,
			 const struct net_wish *wish, struct net_port *ports,
			 unsigned int num, struct vf_err *err)
{
	__claimed struct claimed claimed = { 0 };
	struct net_port *grown;
	int ret = 0;

	ret = room_check(conf, leases->num, num, err);
	if (ret < 0)
		return ret;
	grown = realloc(leases->ports,
			(leases->num + num + 1) * sizeof(*grown));
	if (grown)
		leases->ports = grown;
	if (!grown || claimed_init(&claimed, conf, leases, num) < 0)
		return vf_err_errno(err, ENOMEM, "leases");
	for (unsigned int i = 0; !ret && i < num; i++)
		ret = port_take(conf, leases, &claimed, wish, &ports[i], err);
	return ret;
}

int leases_add(int dir_fd, const struct net_conf *conf,
	       const struct net_wish *wish, struct net_port *ports,
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
	ret = leases_extend(conf, &leases, wish, ports, num, err);
	if (ret < 0)
		return ret;
	return leases_save(dir_fd, conf, &leases, err);
}

int leases_remove(int dir_fd, const struct net_conf *conf,
		  const struct net_port *ports, unsigned int num,
		  struct vf_err *err)
{
	__free const struct net_port **gone = owners_sort(ports, num, NULL, 0);
	__leases struct leases leases = { 0 };
	__close int lock_fd = -1;
	size_t kept = 0;
	int ret;

	if (!gone)
		return vf_err_errno(err, ENOMEM, "leases");
	lock_fd = leases_lock(dir_fd, conf, err);
	if (lock_fd < 0)
		return lock_fd;
	ret = leases_load(dir_fd, conf, &leases, err);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < leases.num; i++) {
		const struct net_port *port = &leases.ports[i];
		const struct net_port **found =
			bsearch(&port, gone, num, sizeof(struct net_port *),
				owner_compare);

		if (!found || (*found)->index != port->index)
			leases.ports[kept++] = *port;
	}
	if (leases.num == kept)
		return 0;
	leases.num = kept;
	return leases_save(dir_fd, conf, &leases, err);
}

int leases_rename(int dir_fd, const struct net_conf *conf,
		  const struct net_port *ports, const struct net_port *renamed,
		  unsigned int num, struct vf_err *err)
{
	__leases struct leases leases = { 0 };
	__close int lock_fd = -1;
	int ret;

	lock_fd = leases_lock(dir_fd, conf, err);
	if (lock_fd < 0)
		return lock_fd;
	ret = leases_load(dir_fd, conf, &leases, err);
	if (ret == 0)
		ret = owners_check(&leases, conf, renamed, num, err);
	for (unsigned int i = 0; ret == 0 && i < num; i++) {
		struct net_port *lease = leases_find(&leases, ports[i].owner);

		if (!lease || lease->index != ports[i].index)
			return vf_err_set(err, ENOENT,
					  "network %s: %s has no lease",
					  conf->name, ports[i].owner);
		memcpy(lease->owner, renamed[i].owner, sizeof(lease->owner));
	}
	return ret < 0 ? ret : leases_save(dir_fd, conf, &leases, err);
}
