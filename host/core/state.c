// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/state.h"

#define LOCK_FILE "lock"
#define LOCK_MS	  60000 /* taking a hundred VMs away takes seconds */

static int open_all(struct vf_state *state, const char *path,
		    struct vf_err *err)
{
	struct {
		const char *name;
		int *fd;
	} dirs[] = {
		{ "vms", &state->vms_fd },
		{ "pool", &state->pool_fd },
		{ "snapshots", &state->snapshots_fd },
		{ "net", &state->net_fd },
		{ "commands", &state->commands_fd },
	};

	state->fd = vf_mkdir_open(AT_FDCWD, path, err);
	if (state->fd < 0)
		return vf_err_errno(err, state->fd, "state directory %s", path);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		*dirs[i].fd = vf_mkdir_open(state->fd, dirs[i].name, err);
		if (*dirs[i].fd < 0)
			return vf_err_wrap(err, "state directory %s", path);
	}
	return 0;
}

int state_open(struct vf_state *state, const char *path, struct vf_err *err)
{
	int ret;

	*state = (struct vf_state){ -1, -1, -1, -1, -1, -1 };
	if (!path)
		path = getenv("VMFORK_STATE");
	if (!path || !*path)
		path = STATE_DEFAULT_PATH;
	ret = open_all(state, path, err);
	if (ret < 0)
		vf_err_hint(err,
			    "%schoose another with --state or VMFORK_STATE",
			    err->num == EACCES ? "be root, or " : "");
	return ret;
}

void state_close(struct vf_state *state)
{
	vf_close_fd(&state->commands_fd);
	vf_close_fd(&state->net_fd);
	vf_close_fd(&state->snapshots_fd);
	vf_close_fd(&state->pool_fd);
	vf_close_fd(&state->vms_fd);
	vf_close_fd(&state->fd);
}

struct vf_state state_pool(const struct vf_state *state)
{
	struct vf_state pool = *state;

	pool.vms_fd = state->pool_fd;
	return pool;
}

int state_lock(const struct vf_state *state, struct vf_err *err)
{
	int fd = vf_lock(state->fd, LOCK_FILE, LOCK_MS, err);

	return fd < 0 ? vf_err_wrap(err, "state directory") : fd;
}

void state_hint_room(const struct vf_state *state, struct vf_err *err)
{
	char link[32], path[PATH_MAX];
	ssize_t len;

	/* addresses run out, too, which is said in other words */
	if (err->num != ENOSPC || !strstr(err->msg, strerror(ENOSPC)))
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", state->fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return;
	path[len] = '\0';
	vf_err_hint(err,
		    "make room in %.120s, with 'vmfork rmi' or 'vmfork stop', "
		    "or choose another with --state",
		    path);
}
