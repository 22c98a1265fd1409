// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"

#define DUMP_TRIES 10 /* a namespace that changes all the time is a bug */

static int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = write(fd, text, strlen(text));
	close(fd);
	return len < 0 ? -errno : 0;
}

static int map_root(unsigned int uid, unsigned int gid)
{
	char text[32];
	int ret;

	ret = file_write("/proc/self/setgroups", "deny");
	if (ret < 0)
		return ret;
	snprintf(text, sizeof(text), "0 %u 1", uid);
	ret = file_write("/proc/self/uid_map", text);
	if (ret < 0)
		return ret;
	snprintf(text, sizeof(text), "0 %u 1", gid);
	return file_write("/proc/self/gid_map", text);
}

/* The first user namespace maps every id to itself. */
static int is_in_user_namespace(void)
{
	unsigned long inside = 0, outside = 0, count = 0;
	FILE *file = fopen("/proc/self/uid_map", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu %lu", &inside, &outside, &count) != 3)
		count = 0;
	fclose(file);
	return count && count != UINT32_MAX;
}

static int lo_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	ret = ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int netns_enter(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	int ret;

	if (is_in_user_namespace() && unshare(CLONE_NEWNET) == 0)
		return lo_up();
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	ret = map_root(uid, gid);
	return ret < 0 ? ret : lo_up();
}

const char *netns_skip_reason(int ret)
{
	switch (ret) {
	case -EPERM:
	case -EACCES:
		return "user namespaces are not permitted here";
	case -ENOSPC:
	case -EUSERS:
		return "no more namespaces are permitted here";
	case -EINVAL:
		return "the kernel lacks user or network namespaces";
	default:
		return "a private namespace cannot be made here";
	}
}

static const char *ifname(int index, char *name)
{
	if (!if_indextoname(index, name))
		strcpy(name, "-");
	return name;
}

static void link_print(struct nl_object *obj, void *ctx)
{
	struct rtnl_link *link = (struct rtnl_link *)obj;
	const unsigned int dynamic = IFF_RUNNING | 1 << 16 /* LOWER_UP */;
	char addr[64], master[IFNAMSIZ];
	const char *type, *alias;

	type = rtnl_link_get_type(link);
	alias = rtnl_link_get_ifalias(link);
	nl_addr2str(rtnl_link_get_addr(link), addr, sizeof(addr));
	fprintf(ctx,
		"link %s type %s addr %s mtu %u flags %#x group %u master %s "
		"alias \"%s\"\n",
		rtnl_link_get_name(link), type ? type : "-", addr,
		rtnl_link_get_mtu(link), rtnl_link_get_flags(link) & ~dynamic,
		rtnl_link_get_group(link),
		ifname(rtnl_link_get_master(link), master), alias ? alias : "");
}

static void addr_print(struct nl_object *obj, void *ctx)
{
	struct rtnl_addr *addr = (struct rtnl_addr *)obj;
	char local[64], peer[64], dev[IFNAMSIZ];

	nl_addr2str(rtnl_addr_get_local(addr), local, sizeof(local));
	nl_addr2str(rtnl_addr_get_peer(addr), peer, sizeof(peer));
	fprintf(ctx, "addr %s dev %s peer %s scope %d flags %#x\n", local,
		ifname(rtnl_addr_get_ifindex(addr), dev), peer,
		rtnl_addr_get_scope(addr), rtnl_addr_get_flags(addr));
}

static void route_print(struct nl_object *obj, void *ctx)
{
	struct rtnl_route *route = (struct rtnl_route *)obj;
	char dst[64], via[64], dev[IFNAMSIZ];
	struct rtnl_nexthop *nh;
	int i;

	/*
	 * ff00::/8 of each link: libnl keeps but one of them. What is local
	 * follows from the addresses, some time later.
	 */
	if (rtnl_route_get_type(route) == RTN_MULTICAST ||
	    rtnl_route_get_table(route) == RT_TABLE_LOCAL)
		return;
	nl_addr2str(rtnl_route_get_dst(route), dst, sizeof(dst));
	fprintf(ctx, "route %s type %u table %u prio %u scope %u", dst,
		rtnl_route_get_type(route), rtnl_route_get_table(route),
		rtnl_route_get_priority(route), rtnl_route_get_scope(route));
	for (i = 0; i < rtnl_route_get_nnexthops(route); i++) {
		nh = rtnl_route_nexthop_n(route, i);
		nl_addr2str(rtnl_route_nh_get_gateway(nh), via, sizeof(via));
		fprintf(ctx, " via %s dev %s", via,
			ifname(rtnl_route_nh_get_ifindex(nh), dev));
	}
	fputc('\n', ctx);
}

static void neigh_print(struct nl_object *obj, void *ctx)
{
	const int fixed = NUD_PERMANENT | NUD_NOARP;
	struct rtnl_neigh *neigh = (struct rtnl_neigh *)obj;
	struct nl_addr *mac = rtnl_neigh_get_lladdr(neigh);
	int state = rtnl_neigh_get_state(neigh);
	char dst[64], lladdr[64], dev[IFNAMSIZ];

	/* the kernel's own, made as groups are joined and used */
	if (mac && nl_addr_get_len(mac) == 6 &&
	    *(const unsigned char *)nl_addr_get_binary_addr(mac) & 1)
		return;
	nl_addr2str(rtnl_neigh_get_dst(neigh), dst, sizeof(dst));
	nl_addr2str(mac, lladdr, sizeof(lladdr));
	ifname(rtnl_neigh_get_ifindex(neigh), dev);
	if (state & fixed)
		fprintf(ctx, "neigh %s dev %s lladdr %s state %#x\n", dst, dev,
			lladdr, state);
	else
		fprintf(ctx, "neigh %s dev %s learned\n", dst, dev);
}

static void cache_print(struct nl_cache *cache,
			void (*print)(struct nl_object *, void *), FILE *out)
{
	nl_cache_foreach(cache, print, out);
	nl_cache_free(cache);
}

static int dump_print(struct nl_sock *sock, FILE *out)
{
	struct nl_cache *cache;
	int ret;

	ret = rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache);
	if (ret < 0)
		return ret;
	cache_print(cache, link_print, out);
	ret = rtnl_addr_alloc_cache(sock, &cache);
	if (ret < 0)
		return ret;
	cache_print(cache, addr_print, out);
	ret = rtnl_route_alloc_cache(sock, AF_UNSPEC, 0, &cache);
	if (ret < 0)
		return ret;
	cache_print(cache, route_print, out);
	ret = rtnl_neigh_alloc_cache_flags(sock, &cache, NL_CACHE_AF_ITER);
	if (ret < 0)
		return ret;
	cache_print(cache, neigh_print, out);
	return 0;
}

static int line_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sort the lines of @text; the order of a dump says nothing. */
static char *lines_sort(char *text)
{
	size_t size = strlen(text) + 2, num = 0, i;
	char **lines = calloc(size, sizeof(*lines));
	char *out = malloc(size), *at = out, *save = NULL, *line;

	if (lines && out) {
		for (line = strtok_r(text, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			lines[num++] = line;
		qsort(lines, num, sizeof(*lines), line_compare);
		*at = '\0';
		for (i = 0; i < num; i++)
			at += sprintf(at, "%s\n", lines[i]);
	} else {
		free(out);
		out = NULL;
	}
	free(lines);
	free(text);
	return out;
}

static char *dump_once(struct nl_sock *sock, int *ret)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		*ret = -NLE_NOMEM;
		return NULL;
	}
	*ret = dump_print(sock, out);
	fclose(out);
	if (*ret < 0) {
		free(text);
		return NULL;
	}
	return text;
}

char *netns_dump(void)
{
	struct nl_sock *sock = nl_socket_alloc();
	char *text = NULL;
	int ret, try;

	if (!sock)
		return NULL;
	ret = nl_connect(sock, NETLINK_ROUTE);
	for (try = 0; ret == 0 && try < DUMP_TRIES; try++) {
		text = dump_once(sock, &ret);
		if (ret != -NLE_DUMP_INTR)
			break;
		ret = 0;
	}
	nl_socket_free(sock);
	return text ? lines_sort(text) : NULL;
}
