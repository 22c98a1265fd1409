// SPDX-License-Identifier: MIT
/*
 * To be preloaded into vmfork: the host name in each mail that is written into a
 * guest becomes one that cannot be, and the mail is sealed again. It is what a
 * host with other rules than the guest's would send.
 */
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "attr.h"
#include "mail.h"

static void spoil(struct vmfork_mail *mail)
{
	const uint8_t *list = mail->payload;
	size_t len = mail->payload_len;
	struct attr attr;

	while (attr_next(&list, &len, &attr) > 0)
		if (attr.type == VMFORK_A_HOSTNAME)
			mail->payload[attr.value - mail->payload] = ' ';
	mail_seal(mail, mail->payload_len);
}

/* All that is mail is as long as that. */
ssize_t process_vm_writev(pid_t pid, const struct iovec *local,
			  unsigned long num_local, const struct iovec *remote,
			  unsigned long num_remote, unsigned long flags)
{
	struct vmfork_mail mail;
	struct iovec spoilt = { .iov_base = &mail, .iov_len = sizeof(mail) };

	if (num_local == 1 && local->iov_len == sizeof(mail)) {
		memcpy(&mail, local->iov_base, sizeof(mail));
		spoil(&mail);
		local = &spoilt;
	}
	return syscall(SYS_process_vm_writev, pid, local, num_local, remote,
		       num_remote, flags);
}
