/* SPDX-License-Identifier: MIT */
/*
 * What became of the last restore: as words of the page (struct vmfork_status),
 * as JSON for people and programs in the guest, and as a record from which an
 * agent that is started again goes on.
 */
#ifndef AGENT_STATUS_H
#define AGENT_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netstate.h"
#include "statedir.h"
#include "vmfork_mailbox.h"

#define STATUS_DIR  "/run/vmfork"
#define STATUS_JSON "status.json"
#define STATUS_LOCK "lock"
#define STATUS_SIZE 16384 /* of the JSON, bytes at most */

/* Text that grows; what does not fit is remembered. */
struct status_text {
	char *buf;
	size_t size;
	size_t len;
	bool overflow;
};

/**
 * status_begin() - A restore was noticed: forget the one before
 * @status:	status
 * @signal:	what told
 * @now_ns:	when
 */
void status_begin(struct vmfork_status *status, enum vmfork_signal signal,
		  uint64_t now_ns);

/**
 * status_reach() - Note that a stage is reached
 * @status:	status
 * @stage:	stage
 * @now_ns:	when
 */
void status_reach(struct vmfork_status *status, enum vmfork_stage stage,
		  uint64_t now_ns);

/**
 * status_format() - Write the JSON document
 * @text:	where to
 * @record:	status, and what else is known of the restore
 * @gpa:	of the page
 * @net:	interfaces
 */
void status_format(struct status_text *text,
		   const struct statedir_record *record, uint64_t gpa,
		   const struct netstate *net);

/**
 * status_format_string() - Write a JSON string
 * @text:	where to
 * @str:	any bytes
 */
void status_format_string(struct status_text *text, const char *str);

#endif
