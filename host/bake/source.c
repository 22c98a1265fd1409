// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bake/plan.h"
#include "bake/source.h"
#include "base/io.h"

#define AGENT	  "vmfork-agent"
#define DATA_ENV  "VMFORK_DATA"
#define EPOCH_ENV "SOURCE_DATE_EPOCH"
#define SELF	  "/proc/self/exe"
#define FROM_BIN  "../lib/vmfork"
#define HINT	  "make install, or name its directory in " DATA_ENV

/* Return: true if the agent is in there */
static bool try_dir(struct source *source, const char *path)
{
	const char *epoch = getenv(EPOCH_ENV);
	struct stat st;

	source->dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (source->dir_fd < 0)
		return false;
	if (fstatat(source->dir_fd, AGENT, &st, 0) < 0 ||
	    !S_ISREG(st.st_mode)) {
		source_close(source);
		return false;
	}
	source->mtime = epoch ? strtoll(epoch, NULL, 10) : st.st_mtime;
	return true;
}

int source_open(struct source *source, struct vf_err *err)
{
	const char *data = getenv(DATA_ENV);
	char self[PATH_MAX], path[PATH_MAX + sizeof(FROM_BIN)];
	ssize_t len = readlink(SELF, self, sizeof(self) - 1);

	source->dir_fd = -1;
	if (data && *data) {
		if (try_dir(source, data))
			return 0;
		return vf_err_set(err, ENOENT,
				  DATA_ENV " '%s': no " AGENT " in there",
				  data);
	}
	if (len > 0) {
		self[len] = '\0';
		*strrchr(self, '/') = '\0';
		snprintf(path, sizeof(path), "%s/" FROM_BIN, self);
		if (try_dir(source, path) || try_dir(source, self))
			return 0;
	}
	vf_err_set(err, ENOENT,
		   AGENT ": not found beside this program, nor in " FROM_BIN
			 " from there");
	vf_err_hint(err, HINT);
	return -ENOENT;
}

void source_close(struct source *source)
{
	if (source->dir_fd >= 0)
		close(source->dir_fd);
	source->dir_fd = -1;
}

/* It must not look as if the user's root lacked one of our files. */
static int ours_lacks(const struct source *source, struct vf_err *err)
{
	char self[32], path[PATH_MAX];
	ssize_t len;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", source->dir_fd);
	len = readlink(self, path, sizeof(path) - 1);
	vf_err_wrap(err, "vmfork's files in %.*s", len < 0 ? 0 : (int)len,
		    path);
	vf_err_hint(err, HINT);
	return -err->num;
}

int source_read(const struct source *source, const char *name,
		struct source_file *file, struct vf_err *err)
{
	int ret = vf_read_file(source->dir_fd, name, PLAN_FILE_MAX, &file->data,
			       &file->len, err);

	return ret < 0 && *name != '/' ? ours_lacks(source, err) : ret;
}
