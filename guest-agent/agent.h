/* SPDX-License-Identifier: MIT */
/* All of the agent's parts, and the order in which they are put up. */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "ack.h"
#include "events.h"
#include "hooks.h"
#include "loop.h"
#include "mail.h"
#include "mailbox.h"
#include "netcfg.h"
#include "ready.h"
#include "requests.h"
#include "settle.h"
#include "signals.h"
#include "sockets.h"
#include "statedir.h"
#include "status.h"

/* One static object of main()'s; nothing here is allocated later. */
struct agent {
	struct loop loop;
	struct ready ready;
	struct mailbox mailbox;
	struct signals signals;
	struct netcfg netcfg;
	struct ack ack;
	struct statedir dir;
	struct statedir_record record; /* holds the status */
	int root_fd;		       /* where the guest's files are */
	int announce_fd;
	int random_fd;	   /* to reseed, or -errno */
	int stop_fd;	   /* SIGTERM and SIGINT */
	uint64_t start_ns; /* of the process */
	uint64_t armed_ns; /* last */

	/* the restore at hand */
	struct vmfork_mail mail; /* private copy */
	struct vmfork_identity id;
	struct netcfg_result result;
	struct settle settle;
	struct requests requests;
	struct sockets sockets;
	struct hooks hooks;
	struct events_facts facts; /* of the hooks that run */
	bool is_armed;
	bool is_unlogged;
	uint64_t link_end_ns;	/* its link may still come: until when; or 0 */
	uint64_t wait_end_ns;	/* no mail yet: until when we wait; or 0 */
	uint64_t wait_pause_ns; /* until the next look */
	enum vmfork_signal waker; /* that began the wait */
	uint64_t woken_ns;	  /* when */

	struct loop_timer check_timer;	 /* the slow check */
	struct loop_timer ack_timer;	 /* the next attempt */
	struct loop_timer arm_timer;	 /* armed by then, answered or not */
	struct loop_timer report_timer;	 /* files and log line */
	struct loop_timer mail_timer;	 /* is there mail by now? */
	struct loop_timer refresh_timer; /* the saved state */
	char json[STATUS_SIZE];
};

/**
 * agent_open() - Put everything up
 * @agent:	out: agent, zeroed before
 * @signal:	which signal to use
 *
 * What fails is logged.
 *
 * Return: 0 or -errno
 */
int agent_open(struct agent *agent, const char *signal);

/**
 * agent_run() - Apply the mail at boot, arm, serve until told to stop
 * @agent:	agent
 *
 * Return: 0 or -errno
 */
int agent_run(struct agent *agent);

/**
 * agent_close() - Disarm and take everything down
 * @agent:	agent
 */
void agent_close(struct agent *agent);

#endif
