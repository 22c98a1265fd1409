/* SPDX-License-Identifier: MIT */
/*
 * What a fork's mail asks of an interface, as the `ip` commands that somebody
 * would write who had no agent: what the agent is measured against. What it does
 * and busybox's ip cannot (permanent neighbours, addresses without duplicate
 * address detection) is left out, in their favour.
 */
#ifndef VMFORK_IPSCRIPT_H
#define VMFORK_IPSCRIPT_H

#include "mail.h"

#define IPSCRIPT_BYTES 1024

/**
 * ipscript_write() - Write the commands for one interface, called eth0
 * @script:	out: one line for a shell, without an end
 * @link:	its new identity; the first address of each family counts
 *
 * Return: 0, or -EMSGSIZE if it does not fit
 */
int ipscript_write(char script[IPSCRIPT_BYTES],
		   const struct identity_link *link);

#endif
