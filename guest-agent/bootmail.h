/* SPDX-License-Identifier: MIT */
#ifndef AGENT_BOOTMAIL_H
#define AGENT_BOOTMAIL_H

#include "vmfork_mailbox.h"

/**
 * bootmail_read() - Read the mail that the VM was booted with
 * @mail:	out: mail, to be checked with arm sequence 0
 *
 * Return: 0, -ENOENT if there is none, -EMSGSIZE for a wrong size, -errno
 */
int bootmail_read(struct vmfork_mail *mail);

#endif
