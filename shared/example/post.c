// SPDX-License-Identifier: MIT
/*
 * Tell a VM who it is, from a host program of one's own: write mail into its mailbox
 * page while its vCPUs stand still, and wait until its network is the new one.
 *
 *	post PID HVA GPA INTERFACE ADDRESS/LENGTH
 *
 * PID is the VMM's process, HVA where the page is in it, GPA where the guest has it.
 * Pause the VM before, resume it once this says so.
 *
 *	cc -D_GNU_SOURCE post.c $(pkg-config --cflags --libs vmfork)
 */
#include <arpa/inet.h>
#include <err.h>
#include <mail.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>

#define WAIT_MS 10000

static void copy(bool to_guest, pid_t pid, uint64_t hva, void *data, size_t len)
{
	struct iovec here = { data, len },
		     there = { (void *)(uintptr_t)hva, len };
	ssize_t done = to_guest ? process_vm_writev(pid, &here, 1, &there, 1, 0)
				: process_vm_readv(pid, &here, 1, &there, 1, 0);

	if (done != (ssize_t)len)
		err(1, "memory of process %d", pid);
}

static void write_mail(pid_t pid, uint64_t hva, uint64_t gpa,
		       const struct vmfork_identity *id,
		       struct vmfork_mail *mail)
{
	int len = identity_encode(id, mail->payload, sizeof(mail->payload));
	struct vmfork_header
		header; /* a copy: what a guest says is checked first */

	copy(false, pid, hva, &header, sizeof(header));
	if (header_check(&header, gpa) < 0)
		errx(1, "no armed mailbox there");
	if (len < 0 ||
	    getrandom(mail->restore_id, VMFORK_ID_LEN, 0) != VMFORK_ID_LEN ||
	    getrandom(mail->nonce, VMFORK_ID_LEN, 0) != VMFORK_ID_LEN)
		errx(1, "no mail can be made");
	mail->arm_seq = header.arm_seq;
	mail_seal(mail, (uint32_t)len);
	copy(true, pid, hva + VMFORK_MAIL_OFFSET, mail, sizeof(*mail));
}

int main(int argc, char **argv)
{
	struct vmfork_identity id = { .num_links = 1 };
	struct identity_link *link = &id.link[0];
	const struct timespec ms = { .tv_nsec = 1000000 };
	static struct vmfork_mail mail;
	struct vmfork_status status;
	char *slash = argc == 6 ? strchr(argv[5], '/') : NULL;

	if (!slash)
		errx(2, "usage: post PID HVA GPA INTERFACE ADDRESS/LENGTH");
	*slash = '\0';
	pid_t pid = atoi(argv[1]);
	uint64_t hva = strtoull(argv[2], NULL, 0);

	link->match = IDENTITY_MATCH_NAME;
	snprintf(link->match_name, sizeof(link->match_name), "%s", argv[4]);
	link->num_addr4 = 1;
	link->addr4[0].prefix_len = (uint8_t)atoi(slash + 1);
	if (inet_pton(AF_INET, argv[5], link->addr4[0].addr) != 1)
		errx(2, "%s: is no IPv4 address", argv[5]);
	write_mail(pid, hva, strtoull(argv[3], NULL, 0), &id, &mail);
	puts("written: resume it");
	fflush(stdout);
	for (int i = 0; i < WAIT_MS; i++, nanosleep(&ms, NULL)) {
		copy(false, pid, hva + VMFORK_STATUS_OFFSET, &status,
		     sizeof(status));
		/* odd while the guest writes; of another mail until it saw this one */
		if (status.seq % 2 ||
		    memcmp(status.restore_id, mail.restore_id, VMFORK_ID_LEN))
			continue;
		if (status.error)
			errx(1, "refused: %s",
			     strerror((int)(status.error & 4095)));
		if (status.stage >= VMFORK_STAGE_APPLIED)
			return puts("applied") < 0;
	}
	errx(1, "no answer within %d s", WAIT_MS / 1000);
}
