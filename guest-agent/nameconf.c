// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "nameconf.h"
#include "settle.h"

int nameconf_hostname(struct agent *agent)
{
	const char *name = agent->id.guest.hostname;

	if (!*name)
		return SETTLE_NOTHING;
	return sethostname(name, strlen(name)) < 0 ? -errno : 0;
}
