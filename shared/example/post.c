// SPDX-License-Identifier: MIT
/*
 * Tell a VM who it is, from a host program of one's own: stop its vCPUs, write mail
 * into its mailbox page, let it go on, wait until its network is the new one.
 *
 *	post PID HVA GPA INTERFACE ADDRESS/LENGTH
 *
 * PID is the VMM's process, HVA where the page is in it, GPA where the guest has it.
 * Here the whole process is stopped; a VMM of one's own has a better way.
 *
 *	cc post.c $(pkg-config --cflags --libs vmfork)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <mail.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <time.h>

#define WAIT_MS 10000

/* All of it or nothing, from the page or into it. */
static bool copy(bool to_guest, pid_t pid, uint64_t hva, void *data, size_t len)
{
	struct iovec here = { data, len },
		     there = { (void *)(uintptr_t)hva, len };
	ssize_t done = to_guest ? process_vm_writev(pid, &here, 1, &there, 1, 0)
				: process_vm_readv(pid, &here, 1, &there, 1, 0);

	return done == (ssize_t)len;
}

static bool write_mail(pid_t pid, uint64_t hva, uint64_t gpa,
		       struct vmfork_identity *id, struct vmfork_mail *mail)
{
	struct vmfork_header header;
	int len = identity_encode(id, mail->payload, sizeof(mail->payload));

	/* what a guest says of itself is checked, and copied first */
	if (len < 0 || !copy(false, pid, hva, &header, sizeof(header)) ||
	    header_check(&header, gpa) < 0 ||
	    getrandom(mail->restore_id, VMFORK_ID_LEN, 0) != VMFORK_ID_LEN ||
	    getrandom(mail->nonce, VMFORK_ID_LEN, 0) != VMFORK_ID_LEN)
		return false;
	mail->arm_seq = header.arm_seq;
	mail_seal(mail, (uint32_t)len);
	return copy(true, pid, hva + VMFORK_MAIL_OFFSET, mail, sizeof(*mail));
}

static int wait_applied(pid_t pid, uint64_t hva, const struct vmfork_mail *mail)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct vmfork_status status;

	for (int i = 0; i < WAIT_MS; i++, nanosleep(&ms, NULL)) {
		if (!copy(false, pid, hva + VMFORK_STATUS_OFFSET, &status,
			  sizeof(status)))
			break;
		/* odd while the guest writes; of another mail until it saw this one */
		if (status.seq % 2 ||
		    memcmp(status.restore_id, mail->restore_id, VMFORK_ID_LEN))
			continue;
		if (status.error || status.stage >= VMFORK_STAGE_APPLIED)
			return printf("stage %u, errno %u\n", status.stage,
				      status.error) < 0 ||
			       status.error;
	}
	return fprintf(stderr, "no answer\n"), 1;
}

int main(int argc, char **argv)
{
	struct vmfork_identity id = { .num_links = 1 };
	struct identity_link *link = &id.link[0];
	static struct vmfork_mail mail;
	uint64_t hva = argc == 6 ? strtoull(argv[2], NULL, 0) : 0;
	char *slash = hva ? strchr(argv[5], '/') : NULL;
	pid_t pid = slash ? atoi(argv[1]) : 0;

	if (pid <= 1)
		return fprintf(stderr,
			       "post PID HVA GPA INTERFACE ADDRESS/LENGTH\n"),
		       2;
	*slash = '\0';
	link->match = IDENTITY_MATCH_NAME;
	snprintf(link->match_name, sizeof(link->match_name), "%s", argv[4]);
	link->num_addr4 = 1;
	link->addr4[0].prefix_len = (uint8_t)atoi(slash + 1);
	if (inet_pton(AF_INET, argv[5], link->addr4[0].addr) != 1 ||
	    kill(pid, SIGSTOP) < 0)
		return perror(argv[5]), 1;

	bool written =
		write_mail(pid, hva, strtoull(argv[3], NULL, 0), &id, &mail);

	kill(pid, SIGCONT);
	if (!written)
		return fprintf(stderr, "no armed mailbox there\n"), 1;
	return wait_applied(pid, hva, &mail);
}
