// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/mailbox.h"

#define PROBE_SLEEP_US 500
#define SEARCH_CHUNK   (1 << 20)
#define CLAIMS_MAX     64

int mailbox_read(struct vmm *vmm, uint64_t gpa, struct vmfork_mailbox *page,
		 struct vf_err *err)
{
	int ret;

	if (!gpa || gpa % VMFORK_MAILBOX_SIZE)
		return vf_err_set(err, ENOENT,
				  "mailbox: 0x%" PRIx64 " is no page", gpa);
	ret = vmm->ops->peek(vmm, gpa, page, sizeof(*page), err);
	if (ret < 0)
		return vf_err_wrap(err, "mailbox");
	ret = header_check(&page->header, gpa);
	if (ret < 0)
		return vf_err_set(err, ENOENT,
				  "mailbox: none is armed at 0x%" PRIx64, gpa);
	return 0;
}

/* Look at the page boundaries of one chunk. */
static int search_chunk(const uint8_t *buf, uint64_t offset, size_t len,
			const struct vmm_image *image, uint64_t *found, int num)
{
	struct vmfork_header header;
	uint64_t gpa;

	for (size_t at = 0; at < len; at += VMFORK_MAILBOX_SIZE) {
		memcpy(&header, buf + at, sizeof(header));
		if (num < MAILBOX_CANDIDATES &&
		    vmm_image_gpa(image, offset + at, &gpa) == 0 &&
		    header_check(&header, gpa) == 0)
			found[num++] = gpa;
	}
	return num;
}

static int search_region(int fd, const char *file,
			 const struct vmm_region *region,
			 const struct vmm_image *image, uint64_t *found,
			 int num, struct vf_err *err)
{
	off_t end = (off_t)(region->offset + region->bytes);
	off_t at = (off_t)region->offset;
	__free uint8_t *buf = malloc(SEARCH_CHUNK);
	int ret;

	if (!buf)
		return vf_err_errno(err, ENOMEM, "mailbox");
	while (at < end) {
		size_t len;

		/* holes hold zeros, and zeros are no mailbox */
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO)
			break;
		if (at < 0)
			return vf_err_errno(err, errno, "%s", file);
		at -= at % VMFORK_MAILBOX_SIZE;
		if (at >= end)
			break;
		len = end - at < SEARCH_CHUNK ? (size_t)(end - at)
					      : SEARCH_CHUNK;
		ret = vf_pread_all(fd, buf, len, at);
		if (ret < 0)
			return vf_err_errno(err, ret, "%s", file);
		num = search_chunk(buf, (uint64_t)at, len, image, found, num);
		at += (off_t)len;
	}
	return num;
}

int mailbox_search(int image_fd, const char *file,
		   const struct vmm_image *image,
		   uint64_t found[MAILBOX_CANDIDATES], struct vf_err *err)
{
	__close int fd =
		openat(image_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int num = 0;

	if (fd < 0)
		return vf_err_errno(err, errno, "%s", file);
	for (unsigned int i = 0; num >= 0 && i < image->num_regions; i++)
		num = search_region(fd, file, &image->regions[i], image, found,
				    num, err);
	return num;
}

/* A search through the memory of a VM that runs. */
struct hunt {
	struct vmm *vmm;
	struct vmm_memory memory;
	int64_t deadline_us;
	uint64_t *found;
	int num;
	int claims; /* pages that said to be one */
};

/* A copy of the page says where it was taken from: that place has the last word. */
static void hunt_claim(struct hunt *h, const struct vmfork_header *header)
{
	struct vmfork_mailbox page;
	struct vf_err ignored;

	if (header_check(header, header->gpa) < 0)
		return;
	for (int i = 0; i < h->num; i++)
		if (h->found[i] == header->gpa)
			return;
	/* to look costs a question to the engine, and a guest may lie often */
	if (h->num < MAILBOX_CANDIDATES && h->claims++ < CLAIMS_MAX &&
	    mailbox_read(h->vmm, header->gpa, &page, &ignored) == 0)
		h->found[h->num++] = header->gpa;
}

/* A large guest takes long, and whoever asked is waiting. */
static int hunt_check(const struct hunt *h, struct vf_err *err)
{
	if (vf_check_cancel(h->vmm->cancel_fd) < 0)
		return vf_err_set(err, ECANCELED, "interrupted");
	if (vf_now_us() > h->deadline_us)
		return vf_err_set(err, ETIMEDOUT,
				  "mailbox: not found in the time given");
	return 0;
}

static int hunt_run(struct hunt *h, const struct extent *run,
		    struct vf_err *err)
{
	struct vmfork_header headers[VMM_HEADS_MAX];
	size_t num;
	int ret;

	for (uint64_t at = 0; at < run->num; at += num) {
		num = run->num - at < VMM_HEADS_MAX ? run->num - at
						    : VMM_HEADS_MAX;
		ret = hunt_check(h, err);
		if (!ret)
			ret = vmm_memory_heads(h->vmm, &h->memory,
					       run->page + at, num, headers,
					       sizeof(*headers), err);
		if (ret < 0)
			return ret;
		for (size_t i = 0; i < num; i++)
			hunt_claim(h, &headers[i]);
	}
	return 0;
}

int mailbox_find(struct vmm *vmm, bool is_fork, int64_t deadline_us,
		 uint64_t found[MAILBOX_CANDIDATES], struct vf_err *err)
{
	struct hunt h = { .vmm = vmm,
			  .deadline_us = deadline_us,
			  .found = found };
	struct extents set = { 0 };
	int ret = vmm->ops->memory(vmm, &h.memory, err);

	h.memory.has_base = is_fork;
	if (!ret)
		ret = vmm_memory_changed(vmm, &h.memory, &set, err);
	for (size_t i = 0; !ret && i < set.num; i++)
		ret = hunt_run(&h, &set.runs[i], err);
	extents_exit(&set);
	return ret < 0 ? ret : h.num;
}

int mailbox_post(struct vmm *vmm, uint64_t gpa, struct letter *letter,
		 struct vf_err *err)
{
	struct vmfork_mailbox page;
	struct vmfork_mail mail;
	int ret = mailbox_read(vmm, gpa, &page, err);

	letter->stamped_us = letter->identity.guest.has_clock ? vf_now_us() : 0;
	letter_stamp(&letter->identity.guest);
	if (!ret)
		ret = letter_seal(letter, page.header.arm_seq, &mail, err);
	if (!ret)
		ret = vmm->ops->poke(vmm, gpa + VMFORK_MAIL_OFFSET, &mail,
				     sizeof(mail), err);
	return ret;
}

int mailbox_status(struct vmm *vmm, uint64_t gpa, struct vmfork_status *status,
		   int64_t deadline_us, struct vf_err *err)
{
	uint64_t at = gpa + VMFORK_STATUS_OFFSET;
	uint32_t seq = 1;
	int ret;

	for (;;) {
		ret = vmm->ops->peek(vmm, at, status, sizeof(*status), err);
		if (!ret)
			ret = vmm->ops->peek(vmm, at, &seq, sizeof(seq), err);
		if (ret < 0)
			return ret;
		if (status->seq == seq && !(seq & 1))
			return 0;
		if (vf_now_us() > deadline_us)
			return vf_err_set(err, ETIMEDOUT,
					  "mailbox: the status never stands "
					  "still");
		usleep(PROBE_SLEEP_US);
	}
}
