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
	vf_err_hint(err, "make install, or name its directory in " DATA_ENV);
	return -ENOENT;
}

void source_close(struct source *source)
{
	if (source->dir_fd >= 0)
		close(source->dir_fd);
	source->dir_fd = -1;
}

int source_read(const struct source *source, const char *name,
		struct source_file *file, struct vf_err *err)
{
	return vf_read_file(source->dir_fd, name, PLAN_FILE_MAX, &file->data,
			    &file->len, err);
}
