// SPDX-License-Identifier: MIT
/*
 *	standin WAY WAKE	print the address of the page, once it is armed
 *
 * WAY: one (a request over netlink, and nothing else), ip (commands), dhcp, none
 * (somebody else sees to it). WAKE: spin, vmgenid, told (by a line in
 * /run/standin).
 */
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "page.h"
#include "standin.h"

#define ARM_SEQ 1

/* The other side is a hypervisor: order is all it needs, and the compiler's. */
static void barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void status_begin(struct standin *s)
{
	s->page->status.seq++;
	barrier();
}

static void status_end(struct standin *s)
{
	barrier();
	s->page->status.seq++;
}

static int handle(struct standin *s, uint64_t now_ns)
{
	switch (s->page->request.op) {
	case VMFORK_REQUEST_PROBE:
	case VMFORK_REQUEST_RELEASE:
		s->spin_end_ns = 0;
		return 0;
	case VMFORK_REQUEST_ARM:
		if (!s->wake->can_spin)
			break;
		s->spin_end_ns = now_ns + s->page->request.spin_us * 1000ULL;
		return 0;
	}
	return EOPNOTSUPP;
}

static void answer_request(struct standin *s, uint32_t counter)
{
	uint64_t now_ns = page_now_ns();

	status_begin(s);
	s->page->status.request_result = (uint32_t)handle(s, now_ns);
	s->page->status.spinning = s->spin_end_ns != 0;
	s->page->status.request_ns = now_ns;
	s->page->status.request_seen = counter;
	status_end(s);
}

void standin_spun(struct standin *s)
{
	s->spin_end_ns = 0;
	status_begin(s);
	s->page->status.spinning = 0;
	status_end(s);
}

bool standin_has_mail(struct standin *s)
{
	const volatile uint64_t *id =
		(const volatile uint64_t *)s->page->mail.restore_id;
	uint32_t counter = s->page->request.counter;

	if (counter != s->page->status.request_seen)
		answer_request(s, counter);
	return id[0] || id[1];
}

/* The host sees in the page how far we are, as it does of the agent. */
static void reach(struct standin *s, enum vmfork_stage stage)
{
	uint64_t now_ns = page_now_ns();

	status_begin(s);
	s->page->status.stage = stage;
	s->page->status.time_ns[stage] = now_ns;
	status_end(s);
	s->ack.stage = stage;
	s->ack.time_ns[stage] = now_ns;
}

static void take_mail(struct standin *s, int signal)
{
	volatile struct vmfork_status *status = &s->page->status;

	status_begin(s);
	status->signal = (uint32_t)signal;
	for (int i = 0; i < VMFORK_ID_LEN; i++)
		status->restore_id[i] = s->page->mail.restore_id[i];
	status_end(s);
	barrier();
	memcpy(&s->mail, (const void *)&s->page->mail, sizeof(s->mail));
	s->ack.signal = (uint32_t)signal;
	memcpy(s->ack.restore_id, s->mail.restore_id, VMFORK_ID_LEN);
	memcpy(s->ack.nonce, s->mail.nonce, VMFORK_ID_LEN);
}

/* From the new address, whatever others there are. */
static void acknowledge(struct standin *s)
{
	union {
		struct cmsghdr head;
		uint8_t room[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} control = { .room = { 0 } };
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(s->to_port) };
	struct iovec data = { &s->ack, sizeof(s->ack) };
	struct msghdr msg = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	struct in_pktinfo info = { 0 };

	memcpy(&to.sin_addr, s->to, sizeof(s->to));
	memcpy(&info.ipi_spec_dst, s->from, sizeof(s->from));
	control.head.cmsg_level = IPPROTO_IP;
	control.head.cmsg_type = IP_PKTINFO;
	control.head.cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(CMSG_DATA(&control.head), &info, sizeof(info));
	s->ack.sent_ns = page_now_ns();
	vmfork_ack_seal(&s->ack);
	sendmsg(s->udp_fd, &msg, 0);
}

/* What went wrong is in the page: nobody can be told over a network. */
static void fail(struct standin *s, int error)
{
	status_begin(s);
	s->page->status.step = VMFORK_STEP_LINK;
	s->page->status.error = (uint32_t)-error;
	status_end(s);
}

static void serve(struct standin *s)
{
	int ret = s->wake->wait(s);

	if (ret >= 0) {
		reach(s, VMFORK_STAGE_SIGNAL);
		take_mail(s, ret);
		reach(s, VMFORK_STAGE_MAIL);
		ret = s->way->apply(s);
	}
	if (ret < 0) {
		fail(s, ret);
		return;
	}
	reach(s, VMFORK_STAGE_APPLIED);
	s->ack.kind = VMFORK_ACK_APPLIED;
	acknowledge(s);
}

static int open_sockets(struct standin *s)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	s->ifindex = if_nametoindex("eth0");
	if (!s->ifindex)
		return -errno;
	s->rtnl_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	s->udp_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->rtnl_fd < 0 || s->udp_fd < 0 ||
	    connect(s->rtnl_fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return 0;
}

static int arm(struct standin *s)
{
	struct vmfork_header header = {
		.gpa = page_address(s->page),
		.arm_seq = ARM_SEQ,
		.capabilities = VMFORK_CAP_REQUEST |
				(s->wake->can_spin ? VMFORK_CAP_ARM : 0),
	};

	if (!header.gpa)
		return -EPERM;
	header_seal(&header);
	memcpy((void *)&s->page->header, &header, sizeof(header));
	s->ack.gpa = header.gpa;
	s->ack.arm_seq = ARM_SEQ;
	return 0;
}

static int get_ready(struct standin *s)
{
	int ret = open_sockets(s);

	if (!ret)
		ret = s->wake->open(s);
	if (ret < 0)
		return ret;
	s->page = page_map(VMFORK_MAILBOX_SIZE, MADV_NOHUGEPAGE);
	if (!s->page)
		return -ENOMEM;
	memset((void *)s->page, 0, VMFORK_MAILBOX_SIZE);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return -errno;
	return arm(s);
}

static void child(void *ctx, int fd)
{
	struct standin *s = ctx;
	int ret = get_ready(s);

	if (ret < 0) {
		fprintf(stderr, "standin: %s\n", strerror(-ret));
		return;
	}
	if (page_ready(s->ack.gpa, fd) < 0)
		return;
	serve(s);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	static struct standin standin;

	if (argc == 3) {
		standin.way = standin_way_find(argv[1]);
		standin.wake = standin_wake_find(argv[2]);
	}
	if (!standin.way || !standin.wake) {
		fprintf(stderr, "usage: standin WAY WAKE\n");
		return 2;
	}
	return page_serve("standin", child, &standin);
}
