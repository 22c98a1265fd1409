// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mail.h"
#include "mailbox.h"
#include "monotonic.h"

/* Linux, Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_PFN	((1ULL << 55) - 1)

#define MODULE_DEVICE "/dev/vmfork"

/* The other side is a hypervisor: order is all it needs, and the compiler's. */
static void barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* The module's page, whose header says where it is and never moves. */
static int page_get_module(struct mailbox *mbox)
{
	const struct vmfork_header *header;
	void *page;
	int ret;

	mbox->page_fd = open(MODULE_DEVICE, O_RDWR | O_CLOEXEC);
	if (mbox->page_fd < 0)
		return -errno;
	page = mmap(NULL, VMFORK_MAILBOX_SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED, mbox->page_fd, 0);
	if (page == MAP_FAILED) {
		ret = -errno;
		close(mbox->page_fd);
		mbox->page_fd = -1;
		return ret;
	}
	header = page;
	if (header->version != VMFORK_MAILBOX_VERSION ||
	    header->page_size != VMFORK_MAILBOX_SIZE || !header->gpa) {
		munmap(page, VMFORK_MAILBOX_SIZE);
		close(mbox->page_fd);
		mbox->page_fd = -1;
		return -EPROTO;
	}
	mbox->page = page;
	mbox->module_gpa = header->gpa;
	mbox->capabilities |= VMFORK_CAP_PINNED;
	return 0;
}

/*
 * Locked anonymous memory may still be migrated (compaction), and leaves a copy
 * behind that claims its old address and that nobody can wipe. The ring of a
 * packet socket is kernel memory, mapped to us, which the kernel never moves.
 * The socket is bound to no protocol, so nothing is ever received into it.
 */
static int page_get_pinned(struct mailbox *mbox)
{
	struct tpacket_req req = {
		.tp_block_size = VMFORK_MAILBOX_SIZE,
		.tp_block_nr = 1,
		.tp_frame_size = VMFORK_MAILBOX_SIZE,
		.tp_frame_nr = 1,
	};
	int version = TPACKET_V2, ret;
	void *page;

	mbox->page_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (mbox->page_fd < 0)
		return -errno;
	page = MAP_FAILED;
	if (!setsockopt(mbox->page_fd, SOL_PACKET, PACKET_VERSION, &version,
			sizeof(version)) &&
	    !setsockopt(mbox->page_fd, SOL_PACKET, PACKET_RX_RING, &req,
			sizeof(req)))
		page = mmap(NULL, VMFORK_MAILBOX_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, mbox->page_fd, 0);
	if (page == MAP_FAILED) {
		ret = -errno;
		close(mbox->page_fd);
		mbox->page_fd = -1;
		return ret;
	}
	mbox->page = page;
	mbox->capabilities |= VMFORK_CAP_PINNED;
	return 0;
}

static int page_get_anonymous(struct mailbox *mbox)
{
	void *page = mmap(NULL, VMFORK_MAILBOX_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ret;

	if (page == MAP_FAILED)
		return -errno;
	if (mlock(page, VMFORK_MAILBOX_SIZE) < 0) {
		ret = -errno;
		munmap(page, VMFORK_MAILBOX_SIZE);
		return ret;
	}
	mbox->page = page;
	return 0;
}

/* Return: the page's guest-physical address, 0 if the kernel does not say */
static uint64_t page_gpa(const struct mailbox *mbox)
{
	off_t at = (off_t)((uintptr_t)mbox->page / VMFORK_MAILBOX_SIZE * 8);
	uint64_t entry;

	if (mbox->module_gpa)
		return mbox->module_gpa;
	if (pread(mbox->pagemap_fd, &entry, sizeof(entry), at) != 8)
		return 0;
	if (!(entry & PAGEMAP_PRESENT))
		return 0;
	return (entry & PAGEMAP_PFN) * VMFORK_MAILBOX_SIZE;
}

static void arm_seq_init(struct mailbox *mbox)
{
	/* Random, so that mail for a former agent's page is not ours. */
	if (getrandom(&mbox->arm_seq, sizeof(mbox->arm_seq), GRND_NONBLOCK) !=
	    sizeof(mbox->arm_seq))
		mbox->arm_seq = monotonic_ns() * 0x9e3779b97f4a7c15ULL;
}

static void mailbox_disarm(struct mailbox *mbox)
{
	memset(mbox->page->header.magic, 0, VMFORK_MAGIC_LEN);
	barrier();
}

static int page_get_own(struct mailbox *mbox)
{
	int ret;

	mbox->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (mbox->pagemap_fd < 0)
		return -errno;
	ret = page_get_pinned(mbox);
	if (ret < 0)
		ret = page_get_anonymous(mbox);
	if (ret < 0)
		close(mbox->pagemap_fd);
	return ret;
}

/*
 * The module's page may hold what an agent left that was killed. Where it is
 * stays, for the next one.
 */
static void page_clear(struct mailbox *mbox)
{
	size_t from = offsetof(struct vmfork_header, arm_seq);

	mailbox_disarm(mbox);
	memset((uint8_t *)mbox->page + from, 0, sizeof(*mbox->page) - from);
}

int mailbox_open(struct mailbox *mbox, uint16_t hint_port,
		 uint32_t capabilities)
{
	int ret;

	*mbox = (struct mailbox){
		.page_fd = -1,
		.pagemap_fd = -1,
		.capabilities = capabilities,
		.hint_port = hint_port,
	};
	ret = page_get_module(mbox);
	if (ret < 0)
		ret = page_get_own(mbox);
	if (!mbox->page)
		return ret;
	page_clear(mbox);
	arm_seq_init(mbox);
	if (!page_gpa(mbox)) {
		mailbox_close(mbox);
		return -EPERM;
	}
	return 0;
}

void mailbox_close(struct mailbox *mbox)
{
	mailbox_disarm(mbox);
	munmap(mbox->page, VMFORK_MAILBOX_SIZE);
	if (mbox->page_fd >= 0)
		close(mbox->page_fd);
	if (mbox->pagemap_fd >= 0)
		close(mbox->pagemap_fd);
}

bool mailbox_has_mail(const struct mailbox *mbox)
{
	static const uint8_t none[VMFORK_ID_LEN];
	uint8_t id[VMFORK_ID_LEN];

	barrier();
	memcpy(id, mbox->page->mail.restore_id, sizeof(id));
	return memcmp(id, none, sizeof(id)) != 0 &&
	       memcmp(id, mbox->taken_id, sizeof(id)) != 0;
}

void mailbox_take(struct mailbox *mbox, struct vmfork_mail *mail)
{
	barrier();
	memcpy(mail, &mbox->page->mail, sizeof(*mail));
	barrier();
	/* it may hold secrets, and arming, which clears the rest, comes late */
	explicit_bzero(mbox->page->mail.payload,
		       sizeof(mbox->page->mail.payload));
	memcpy(mbox->taken_id, mail->restore_id, sizeof(mbox->taken_id));
}

/*
 * A snapshot may be taken between any two instructions here, and mail come into
 * its forks. With the magic gone first, a host that checks it writes mail either
 * before the look below, which finds it, or once the page is armed again.
 */
int mailbox_arm(struct mailbox *mbox)
{
	struct vmfork_header *header = &mbox->page->header;
	struct vmfork_header next = { 0 };

	mailbox_disarm(mbox);
	if (mbox->gpa && mailbox_has_mail(mbox)) {
		static const uint8_t magic[] = VMFORK_MAGIC;

		memcpy(header->magic, magic, sizeof(magic));
		barrier();
		return -EAGAIN;
	}
	memset(&mbox->page->mail, 0, sizeof(mbox->page->mail));
	memset(mbox->taken_id, 0, sizeof(mbox->taken_id));
	if (++mbox->arm_seq == 0)
		mbox->arm_seq = 1;
	mbox->gpa = page_gpa(mbox);
	next.gpa = mbox->gpa;
	next.arm_seq = mbox->arm_seq;
	next.capabilities = mbox->capabilities;
	next.hint_port = mbox->hint_port;
	header_seal(&next);
	memcpy((uint8_t *)header + VMFORK_MAGIC_LEN,
	       (uint8_t *)&next + VMFORK_MAGIC_LEN,
	       sizeof(next) - VMFORK_MAGIC_LEN);
	barrier();
	memcpy(header->magic, next.magic, VMFORK_MAGIC_LEN);
	barrier();
	return 0;
}

bool mailbox_has_moved(const struct mailbox *mbox)
{
	if (mbox->capabilities & VMFORK_CAP_PINNED)
		return false;
	return mbox->gpa && page_gpa(mbox) != mbox->gpa;
}

bool mailbox_has_request(const struct mailbox *mbox)
{
	return __atomic_load_n(&mbox->page->request.counter,
			       __ATOMIC_ACQUIRE) != mbox->request_seen;
}

bool mailbox_next_request(struct mailbox *mbox, struct vmfork_request *to)
{
	const struct vmfork_request *request = &mbox->page->request;
	uint32_t counter = __atomic_load_n(&request->counter, __ATOMIC_ACQUIRE);

	if (counter == mbox->request_seen)
		return false;
	memcpy(to, request, sizeof(*to));
	to->counter = counter;
	mbox->request_seen = counter;
	return true;
}

void mailbox_publish(struct mailbox *mbox, const struct vmfork_status *status)
{
	struct vmfork_status *to = &mbox->page->status;
	uint32_t seq = to->seq | 1;
	size_t head = sizeof(to->seq);

	__atomic_store_n(&to->seq, seq, __ATOMIC_SEQ_CST);
	barrier();
	memcpy((uint8_t *)to + head, (const uint8_t *)status + head,
	       sizeof(*to) - head);
	barrier();
	__atomic_store_n(&to->seq, seq + 1, __ATOMIC_SEQ_CST);
}
