// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/pool.h"
#include "net/record.h"

void mac_format(char text[MAC_TEXT_SIZE], const uint8_t mac[6])
{
	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
}

int mac_parse(uint8_t mac[6], const char *text)
{
	char digits[2 * 6 + 1];

	if (strlen(text) != MAC_TEXT_SIZE - 1)
		return -EBADMSG;
	for (int i = 0; i < 6; i++) {
		memcpy(&digits[2 * i], &text[3 * i], 2);
		if (i && text[3 * i - 1] != ':')
			return -EBADMSG;
	}
	digits[sizeof(digits) - 1] = '\0';
	return vf_unhex(mac, 6, digits) < 0 ? -EBADMSG : 0;
}

int net_addr_parse(int family, const char *text, void *addr, uint8_t *prefix)
{
	unsigned int prefix_max = family == AF_INET ? 32 : 128;
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : sizeof(host);
	unsigned long value;
	char *end;

	if (len >= sizeof(host))
		return -EBADMSG;
	memcpy(host, text, len);
	host[len] = '\0';
	value = strtoul(slash + 1, &end, 10);
	if (end == slash + 1 || *end || value > prefix_max ||
	    inet_pton(family, host, addr) != 1)
		return -EBADMSG;
	*prefix = value;
	return 0;
}

static void addr_format(char text[64], int family, const void *addr,
			unsigned int prefix)
{
	char host[INET6_ADDRSTRLEN];

	inet_ntop(family, addr, host, sizeof(host));
	snprintf(text, 64, "%s/%u", host, prefix);
}

static int name_copy(char *to, const char *from, size_t max)
{
	if (!vf_name_is_valid(from, max))
		return -EBADMSG;
	strcpy(to, from);
	return 0;
}

static int ifname_copy(char to[IFNAMSIZ], const char *from)
{
	size_t len = strlen(from);

	if (len < 1 || len >= IFNAMSIZ || strpbrk(from, "/ \"\n"))
		return -EBADMSG;
	strcpy(to, from);
	return 0;
}

json_t *record_to_json(const struct net_conf *conf)
{
	char mac[MAC_TEXT_SIZE], addr4[64], addr6[64];

	mac_format(mac, conf->mac);
	addr_format(addr4, AF_INET, &conf->addr4, conf->prefix4);
	addr_format(addr6, AF_INET6, &conf->addr6, conf->prefix6);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "name",
			 conf->name, "mode", net_mode_name(conf->mode),
			 "bridge", conf->bridge, "mac", mac, "ipv4", addr4,
			 "ipv6", addr6, "open", conf->open, "nat", conf->nat);
}

int record_from_json(struct net_conf *conf, json_t *json, struct vf_err *err)
{
	const char *name, *bridge, *mac, *addr4, *addr6;
	/* before there were others, it was on no record */
	const char *mode = net_mode_name(NET_MODE_BRIDGE);
	int open, nat, ret;

	*conf = (struct net_conf){ 0 };
	ret = vf_json_unpack(json, RECORD_FILE, err,
			     "{s:s, s?:s, s:s, s:s, s:s, s:s, s:b, s:b}",
			     "name", &name, "mode", &mode, "bridge", &bridge,
			     "mac", &mac, "ipv4", &addr4, "ipv6", &addr6,
			     "open", &open, "nat", &nat);
	if (ret < 0)
		return ret;
	if (name_copy(conf->name, name, NET_NAME_MAX) < 0 ||
	    ifname_copy(conf->bridge, bridge) < 0 ||
	    mac_parse(conf->mac, mac) < 0 ||
	    net_addr_parse(AF_INET, addr4, &conf->addr4, &conf->prefix4) < 0 ||
	    net_addr_parse(AF_INET6, addr6, &conf->addr6, &conf->prefix6) < 0)
		return vf_err_set(err, EBADMSG,
				  RECORD_FILE ": a value is malformed");
	ret = net_mode_parse(mode);
	if (ret < 0)
		return vf_err_set(err, EBADMSG,
				  RECORD_FILE ": its mode is unknown");
	conf->mode = ret;
	conf->open = open;
	conf->nat = nat;
	return pool_set_gateway(conf, err) < 0 ? -EBADMSG : 0;
}

int record_load(int state_fd, const char *name, struct net_conf *conf,
		int *dir_fd, struct vf_err *err)
{
	__json json_t *json = NULL;
	__close int fd = -1;
	int ret;

	if (!vf_name_is_valid(name, NET_NAME_MAX))
		return vf_err_set(err, EINVAL, "network %.64s: invalid name",
				  name);
	fd = openat(state_fd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	ret = fd < 0 ? -errno : vf_json_load(fd, RECORD_FILE, &json, err);
	if (ret == -ENOENT)
		return vf_err_set(err, ENOENT, "network %s: does not exist",
				  name);
	if (fd < 0)
		return vf_err_errno(err, ret, "network %s", name);
	if (ret == 0)
		ret = record_from_json(conf, json, err);
	if (ret == 0 && strcmp(conf->name, name))
		ret = vf_err_set(err, EBADMSG, RECORD_FILE ": is that of %s",
				 conf->name);
	if (ret < 0)
		return vf_err_wrap(err, "network %s", name);
	if (dir_fd)
		*dir_fd = vf_steal_fd(&fd);
	return 0;
}

static int names_add(struct record_names *names, const char *name)
{
	void *grown;

	grown = realloc(names->names, (names->num + 1) * sizeof(*names->names));
	if (!grown)
		return -ENOMEM;
	names->names = grown;
	strcpy(names->names[names->num++], name);
	return 0;
}

int record_names(int state_fd, struct record_names *out, struct vf_err *err)
{
	__closedir DIR *dir = NULL;
	struct dirent *entry;
	int fd;

	*out = (struct record_names){ 0 };
	fd = openat(state_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return vf_err_errno(err, errno, "networks");
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return vf_err_errno(err, ENOMEM, "networks");
	}
	while ((entry = readdir(dir))) {
		if (!vf_name_is_valid(entry->d_name, NET_NAME_MAX))
			continue;
		if (names_add(out, entry->d_name) < 0) {
			record_names_free(out);
			return vf_err_errno(err, ENOMEM, "networks");
		}
	}
	return 0;
}

void record_names_free(struct record_names *names)
{
	free(names->names);
	names->names = NULL;
	names->num = 0;
}

/* The first address of a family, or null. */
static json_t *first_pack(int family, const void *addrs, unsigned int num,
			  unsigned int prefix)
{
	char text[64];

	if (!num)
		return json_null();
	addr_format(text, family, addrs, prefix);
	return json_string(text);
}

/* The others of both families; NULL without any. */
static json_t *more_pack(const struct net_port *port)
{
	json_t *more = NULL;
	char text[64];

	if (port->num_addr4 > 1 || port->num_addr6 > 1)
		more = json_array();
	for (unsigned int i = 1; i < port->num_addr4; i++) {
		addr_format(text, AF_INET, &port->addr4[i], port->prefix4);
		json_array_append_new(more, json_string(text));
	}
	for (unsigned int i = 1; i < port->num_addr6; i++) {
		addr_format(text, AF_INET6, &port->addr6[i], port->prefix6);
		json_array_append_new(more, json_string(text));
	}
	return more;
}

json_t *net_port_save(const char *net_name, const struct net_port *port)
{
	char mac[MAC_TEXT_SIZE];

	mac_format(mac, port->mac);
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o, s:o, s:o*, s:o*}",
			 "network", net_name, "owner", port->owner, "index",
			 (json_int_t)port->index, "tap", port->tap, "mac", mac,
			 "ipv4",
			 first_pack(AF_INET, port->addr4, port->num_addr4,
				    port->prefix4),
			 "ipv6",
			 first_pack(AF_INET6, port->addr6, port->num_addr6,
				    port->prefix6),
			 "more", more_pack(port), "by_hand",
			 port->by_hand ? json_true() : NULL);
}

/* Read one address; those of a family have one prefix length. */
static int addr_load(struct net_port *port, const char *text)
{
	bool is4 = text && !strchr(text, ':');
	unsigned int *num = is4 ? &port->num_addr4 : &port->num_addr6;
	uint8_t *prefix = is4 ? &port->prefix4 : &port->prefix6, own;
	void *addr;
	int ret;

	if (!text || *num == NET_ADDRS_MAX)
		return -EBADMSG;
	addr = is4 ? (void *)&port->addr4[*num] : (void *)&port->addr6[*num];
	ret = net_addr_parse(is4 ? AF_INET : AF_INET6, text, addr, &own);
	if (ret < 0 || (*num && own != *prefix))
		return -EBADMSG;
	*prefix = own;
	++*num;
	return 0;
}

static int addrs_load(struct net_port *port, json_t *addr4, json_t *addr6,
		      json_t *more)
{
	json_t *item;
	size_t i;

	if ((!json_is_null(addr4) &&
	     (addr_load(port, json_string_value(addr4)) < 0 ||
	      !port->num_addr4)) ||
	    (!json_is_null(addr6) &&
	     (addr_load(port, json_string_value(addr6)) < 0 ||
	      !port->num_addr6)) ||
	    (more && !json_is_array(more)))
		return -EBADMSG;
	json_array_foreach(more, i, item)
		if (addr_load(port, json_string_value(item)) < 0)
			return -EBADMSG;
	return 0;
}

int net_port_load(struct net_port *port, json_t *json, struct vf_err *err)
{
	json_t *addr4, *addr6, *more = NULL;
	const char *owner, *tap, *mac;
	json_int_t index;
	int ret, by_hand = 0;

	*port = (struct net_port){ 0 };
	ret = vf_json_unpack(json, "port", err,
			     "{s:s, s:I, s:s, s:s, s:o, s:o, s?o, s?b}",
			     "owner", &owner, "index", &index, "tap", &tap,
			     "mac", &mac, "ipv4", &addr4, "ipv6", &addr6,
			     "more", &more, "by_hand", &by_hand);
	if (ret < 0)
		return ret;
	if (index < 1 || index > UINT32_MAX ||
	    name_copy(port->owner, owner, VF_NAME_MAX) < 0 ||
	    ifname_copy(port->tap, tap) < 0 || mac_parse(port->mac, mac) < 0 ||
	    addrs_load(port, addr4, addr6, more) < 0)
		return vf_err_set(err, EBADMSG, "port: a value is malformed");
	port->index = index;
	port->by_hand = by_hand;
	return 0;
}
