// SPDX-License-Identifier: MIT
/* What the stand-in does with its mail. standin.h has the contract. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attr.h"
#include "ipscript.h"
#include "standin.h"

#define SCRIPT_BYTES (2 * IPSCRIPT_BYTES)

/* The first value of that type in a list. */
static const uint8_t *find(const uint8_t *list, size_t len, uint16_t type,
			   size_t *value_len)
{
	struct attr attr;

	while (attr_next(&list, &len, &attr) > 0) {
		if (attr.type != type)
			continue;
		*value_len = attr.len;
		return attr.value;
	}
	return NULL;
}

static int copy(void *to, size_t size, const uint8_t *list, size_t len,
		uint16_t type)
{
	size_t value_len;
	const uint8_t *value = find(list, len, type, &value_len);

	if (!value || value_len != size)
		return -EBADMSG;
	memcpy(to, value, size);
	return 0;
}

/* No more of the mail than what is needed to be heard. */
static int read_little(struct standin *s, struct vmfork_addr4 *addr)
{
	const uint8_t *mail = s->mail.payload, *link, *ack;
	size_t len = s->mail.payload_len, link_len, ack_len;
	int ret;

	if (len > sizeof(s->mail.payload))
		return -EMSGSIZE;
	link = find(mail, len, VMFORK_A_LINK, &link_len);
	ack = find(mail, len, VMFORK_A_ACK, &ack_len);
	if (!link || !ack)
		return -EBADMSG;
	ret = copy(addr, sizeof(*addr), link, link_len, VMFORK_L_ADDR4);
	if (!ret)
		ret = copy(s->to, sizeof(s->to), ack, ack_len, VMFORK_K_ADDR4);
	if (!ret)
		ret = copy(&s->to_port, sizeof(s->to_port), ack, ack_len,
			   VMFORK_K_PORT);
	memcpy(s->from, addr->addr, sizeof(s->from));
	return ret;
}

/* The floor: one request. The link's MAC has to be the new one already. */
static int apply_one(struct standin *s)
{
	struct {
		struct nlmsghdr head;
		struct ifaddrmsg ifa;
		struct rtattr local;
		uint8_t addr[4];
	} ask = {
		.head = { .nlmsg_len = sizeof(ask),
			  .nlmsg_type = RTM_NEWADDR,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK |
					 NLM_F_CREATE },
		.ifa = { .ifa_family = AF_INET, .ifa_index = s->ifindex },
		.local = { .rta_len = RTA_LENGTH(4), .rta_type = IFA_LOCAL },
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} answer;
	struct vmfork_addr4 addr;
	int ret = read_little(s, &addr);

	if (ret < 0)
		return ret;
	ask.ifa.ifa_prefixlen = addr.prefix_len;
	memcpy(ask.addr, addr.addr, sizeof(ask.addr));
	if (send(s->rtnl_fd, &ask, sizeof(ask), 0) < 0 ||
	    recv(s->rtnl_fd, &answer, sizeof(answer), 0) < 0)
		return -errno;
	return answer.error.error;
}

static int read_all(struct standin *s)
{
	const struct vmfork_identity *id = &s->id;
	uint32_t detail;
	int ret = mail_check(&s->mail, s->page->header.arm_seq);

	if (!ret)
		ret = identity_decode(&s->id, s->mail.payload,
				      s->mail.payload_len, &detail);
	if (!ret &&
	    (!id->num_links || !id->link[0].num_addr4 || id->ack_is_ipv6))
		ret = -EAFNOSUPPORT;
	if (ret < 0)
		return ret;
	memcpy(s->from, id->link[0].addr4[0].addr, sizeof(s->from));
	memcpy(s->to, id->ack_addr, sizeof(s->to));
	s->to_port = id->ack_port;
	return 0;
}

static int run_shell(char *script)
{
	char *argv[] = { "sh", "-c", script, NULL };
	char *envp[] = { "PATH=/sbin:/usr/sbin:/bin:/usr/bin", NULL };
	int status, ret;
	pid_t pid;

	ret = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, envp);
	if (ret)
		return -ret;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return status ? -EIO : 0;
}

static int apply_ip(struct standin *s)
{
	char commands[IPSCRIPT_BYTES], script[SCRIPT_BYTES];
	int ret = read_all(s);

	if (!ret)
		ret = ipscript_write(commands, &s->id.link[0]);
	if (ret < 0)
		return ret;
	snprintf(script, sizeof(script), "set -e; %s", commands);
	return run_shell(script);
}

/* A link whose MAC is its own asks for what belongs to that. */
static int apply_dhcp(struct standin *s)
{
	char script[SCRIPT_BYTES];
	const uint8_t *m = s->id.link[0].mac;
	int ret = read_all(s);

	if (ret < 0)
		return ret;
	snprintf(script, sizeof(script),
		 "set -e; ip link set dev eth0 address "
		 "%02x:%02x:%02x:%02x:%02x:%02x; ip addr flush dev eth0; "
		 "exec udhcpc -i eth0 -f -n -q -t 10 -T 1",
		 m[0], m[1], m[2], m[3], m[4], m[5]);
	return run_shell(script);
}

/* It has been done by who told us. */
static int apply_nothing(struct standin *s)
{
	return read_all(s);
}

static const struct standin_way ways[] = {
	{ "one", apply_one },
	{ "ip", apply_ip },
	{ "dhcp", apply_dhcp },
	{ "none", apply_nothing },
};

const struct standin_way *standin_way_find(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}
