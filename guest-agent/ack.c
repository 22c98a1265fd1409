// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ack.h"
#include "monotonic.h"

#define FIRST_PAUSE_NS (20 * NS_PER_MS)
#define MAX_PAUSE_NS   (2 * NS_PER_S)

static int ack_bind(struct ack *ack)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in any4 = { .sin_family = AF_INET };
	socklen_t len = sizeof(any6);
	int off = 0;

	if (!ack->is_dual) {
		len = sizeof(any4);
		if (bind(ack->fd, (struct sockaddr *)&any4, len) < 0 ||
		    getsockname(ack->fd, (struct sockaddr *)&any4, &len) < 0)
			return -errno;
		ack->port = ntohs(any4.sin_port);
		return 0;
	}
	if (setsockopt(ack->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(ack->fd, (struct sockaddr *)&any6, len) < 0 ||
	    getsockname(ack->fd, (struct sockaddr *)&any6, &len) < 0)
		return -errno;
	ack->port = ntohs(any6.sin6_port);
	return 0;
}

int ack_open(struct ack *ack, bool has_ipv6)
{
	int ret;

	memset(ack, 0, sizeof(*ack));
	ack->is_dual = has_ipv6;
	ack->fd = socket(has_ipv6 ? AF_INET6 : AF_INET,
			 SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ack->fd < 0)
		return -errno;
	ret = ack_bind(ack);
	if (ret < 0)
		ack_close(ack);
	return ret;
}

void ack_close(struct ack *ack)
{
	close(ack->fd);
	ack->fd = -1;
}

static void peer_set4(struct ack *ack, const uint8_t *addr, uint16_t port)
{
	struct sockaddr_in *in = &ack->peer.in;
	struct sockaddr_in6 *in6 = &ack->peer.in6;

	if (ack->is_dual) {
		ack->peer_len = sizeof(*in6);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		memset(in6->sin6_addr.s6_addr + 10, 0xff, 2);
		memcpy(in6->sin6_addr.s6_addr + 12, addr, 4);
		return;
	}
	ack->peer_len = sizeof(*in);
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	memcpy(&in->sin_addr, addr, 4);
}

void ack_set_peer(struct ack *ack, const struct vmfork_mail *mail,
		  const struct vmfork_identity *id)
{
	struct sockaddr_in6 *in6 = &ack->peer.in6;

	ack->kind = VMFORK_ACK_NONE;
	ack->has_peer = false;
	ack->tells_stages = id && id->guest.tells_stages;
	memset(&ack->peer, 0, sizeof(ack->peer));
	memcpy(ack->restore_id, mail->restore_id, VMFORK_ID_LEN);
	memcpy(ack->nonce, mail->nonce, VMFORK_ID_LEN);
	if (!id || !id->ack_port || (id->ack_is_ipv6 && !ack->is_dual))
		return;
	ack->has_peer = true;
	if (!id->ack_is_ipv6) {
		peer_set4(ack, id->ack_addr, id->ack_port);
		return;
	}
	ack->peer_len = sizeof(*in6);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(id->ack_port);
	memcpy(&in6->sin6_addr, id->ack_addr, 16);
}

void ack_begin(struct ack *ack, enum vmfork_ack_kind kind)
{
	ack->kind = kind;
	ack->attempt = 0;
	ack->pause_ns = FIRST_PAUSE_NS;
	ack->give_up_ns = monotonic_ns() + VMFORK_ACK_GIVE_UP_S * NS_PER_S;
}

static void fill(struct vmfork_ack *msg, const struct ack *ack,
		 enum vmfork_ack_kind kind, const struct vmfork_status *status)
{
	*msg = (struct vmfork_ack){
		.kind = (uint16_t)kind,
		.generation = status->generation,
		.stage = status->stage,
		.signal = status->signal,
		.error = status->error,
		.step = status->step,
		.detail = status->detail,
	};
	memcpy(msg->restore_id, ack->restore_id, VMFORK_ID_LEN);
	memcpy(msg->nonce, ack->nonce, VMFORK_ID_LEN);
	memcpy(msg->time_ns, status->time_ns, sizeof(msg->time_ns));
}

/* One that does not leave is as good as one that is lost. */
static void leave(const struct ack *ack, struct vmfork_ack *msg)
{
	msg->sent_ns = monotonic_ns();
	vmfork_ack_seal(msg);
	sendto(ack->fd, msg, sizeof(*msg), MSG_DONTWAIT, &ack->peer.addr,
	       ack->peer_len);
}

void ack_tell_stages(const struct ack *ack, const struct vmfork_status *status,
		     enum vmfork_stage from)
{
	struct vmfork_ack msg;

	if (!ack->has_peer || !ack->tells_stages)
		return;
	for (uint32_t stage = from; stage <= status->stage; stage++) {
		fill(&msg, ack, VMFORK_ACK_STAGE, status);
		msg.stage = stage;
		leave(ack, &msg);
	}
}

/* Of those that come with an acknowledgement, right before it. */
static void tell_reached(const struct ack *ack,
			 const struct vmfork_status *status)
{
	if (ack->kind == VMFORK_ACK_APPLIED)
		ack_tell_stages(ack, status, VMFORK_STAGE_SIGNAL);
	else if (ack->kind == VMFORK_ACK_SETTLED)
		ack_tell_stages(ack, status, VMFORK_STAGE_SETTLED);
}

uint64_t ack_send(struct ack *ack, const struct vmfork_status *status,
		  uint64_t gpa, uint64_t arm_seq)
{
	uint64_t now = monotonic_ns(), next;
	struct vmfork_ack msg;

	if (!ack->has_peer || ack->kind == VMFORK_ACK_NONE)
		return 0;
	if (now >= ack->give_up_ns) {
		ack->kind = VMFORK_ACK_NONE;
		return 0;
	}
	if (!ack->attempt)
		tell_reached(ack, status);
	fill(&msg, ack, ack->kind, status);
	msg.gpa = gpa;
	msg.arm_seq = arm_seq;
	msg.attempt = ack->attempt++;
	leave(ack, &msg);
	next = now + ack->pause_ns;
	ack->pause_ns *= 2;
	if (ack->pause_ns > MAX_PAUSE_NS)
		ack->pause_ns = MAX_PAUSE_NS;
	return next;
}

bool ack_is_answer(const struct ack *ack, const void *buf, size_t len)
{
	struct vmfork_ack msg;

	if (ack->kind == VMFORK_ACK_NONE || !vmfork_ack_valid(buf, len))
		return false;
	memcpy(&msg, buf, sizeof(msg));
	return msg.kind == VMFORK_ACK_ANSWER && msg.answer == ack->kind &&
	       vmfork_id_equal(msg.restore_id, ack->restore_id) &&
	       vmfork_id_equal(msg.nonce, ack->nonce);
}

enum vmfork_ack_kind ack_receive(struct ack *ack)
{
	enum vmfork_ack_kind answered = VMFORK_ACK_NONE;
	uint8_t buf[VMFORK_ACK_SIZE + 1];
	ssize_t len;

	/* As many as a flood may keep us busy with before the loop goes on. */
	for (int i = 0; i < 256; i++) {
		len = recv(ack->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0 && errno == EAGAIN)
			break;
		/* other errors are of earlier sends: unreachable, refused */
		if (len < 0 || !ack_is_answer(ack, buf, (size_t)len))
			continue;
		answered = ack->kind;
		ack->kind = VMFORK_ACK_NONE;
	}
	return answered;
}
