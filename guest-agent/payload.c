// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "payload.h"
#include "settle.h"

int payload_deliver(struct agent *agent)
{
	struct identity_guest *guest = &agent->id.guest;
	int ret;

	if (!guest->payload) {
		if (unlinkat(agent->dir.dir_fd, PAYLOAD_FILE, 0) < 0 &&
		    errno != ENOENT)
			return -errno;
		return SETTLE_NOTHING;
	}
	ret = statedir_write(&agent->dir, PAYLOAD_FILE, 0600, guest->payload,
			     guest->payload_len);
	/* Nobody tries again. */
	guest->payload = NULL;
	guest->payload_len = 0;
	explicit_bzero(agent->mail.payload, sizeof(agent->mail.payload));
	return ret;
}
