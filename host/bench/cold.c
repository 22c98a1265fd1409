// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cache.h"
#include "base/cleanup.h"
#include "bench/cold.h"
#include "core/chain.h"
#include "core/vm.h"

#define READ_BYTES (1 << 20)

/* Kernel and initrd are other snapshots' as well, and read before a fork runs. */
static bool is_own(const char *name)
{
	return strcmp(name, VM_KERNEL_FILE) != 0 &&
	       strcmp(name, VM_INITRD_FILE) != 0;
}

static int drop_file(int dir_fd, const char *name, struct vf_err *err)
{
	__close int fd = openat(dir_fd, name,
				O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int64_t kept;

	if (fd < 0 || fstat(fd, &st) < 0)
		return vf_err_errno(err, errno, "%s", name);
	if (!S_ISREG(st.st_mode))
		return 0;
	kept = cache_drop(fd);
	if (kept < 0)
		return vf_err_errno(err, (int)kept, "%s", name);
	if (!kept)
		return 0;
	vf_err_set(err, EBUSY,
		   "%s: %lld KiB stay in the page cache, it is not cold", name,
		   (long long)kept * 4);
	vf_err_hint(err, "what maps it has to end first: its source, its "
			 "forks, a pool of it");
	return -EBUSY;
}

/* Holes as well: a page of one that is not there is a fault like any other. */
static int read_file(int dir_fd, const char *name, struct vf_err *err)
{
	__close int fd = openat(dir_fd, name,
				O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	__free char *buf = malloc(READ_BYTES);
	int64_t missing = 0;
	struct stat st;
	ssize_t n = 1;

	if (!buf)
		return vf_err_errno(err, ENOMEM, "%s", name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return vf_err_errno(err, errno, "%s", name);
	while (S_ISREG(st.st_mode) && n > 0)
		n = read(fd, buf, READ_BYTES);
	if (n < 0)
		return vf_err_errno(err, errno, "%s", name);
	if (S_ISREG(st.st_mode))
		missing = cache_missing(fd, 0, (uint64_t)st.st_size);
	if (missing < 0)
		return vf_err_errno(err, (int)missing, "%s", name);
	if (!missing)
		return 0;
	vf_err_set(err, EBUSY,
		   "%s: %lld KiB are not in the page cache, it is not warm",
		   name, (long long)missing * 4);
	vf_err_hint(err, "there is too little memory that is free");
	return -EBUSY;
}

typedef int file_fn(int dir_fd, const char *name, struct vf_err *err);

static int each_file(int dir_fd, file_fn *fn, struct vf_err *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int ret = 0;

	if (!dir) {
		ret = vf_err_errno(err, errno, "snapshot");
		vf_close_fd(&fd);
		return ret;
	}
	while (!ret && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && is_own(entry->d_name))
			ret = fn(dir_fd, entry->d_name, err);
	return ret;
}

/* Of a snapshot and all that it builds on. */
static int each_link(const struct chain *chain, file_fn *fn, struct vf_err *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < chain->num; i++) {
		const struct snapshot *s = &chain->links[i].snapshot;

		ret = each_file(s->dir_fd, fn, err);
		if (ret < 0)
			vf_err_wrap(err, "snapshot %s", s->name);
	}
	return ret;
}

int cold_drop(const struct vf_state *state, const struct snapshot *snapshot,
	      struct vf_err *err)
{
	struct chain chain;
	int ret = chain_open(&chain, state, snapshot->name, snapshot->id, err);

	if (!ret && cache_is_volatile(snapshot->dir_fd)) {
		ret = vf_err_set(err, ENOTSUP,
				 "snapshot %s: lies in memory (tmpfs), and is "
				 "never cold",
				 snapshot->name);
		vf_err_hint(err, "a state directory on a disk is needed: "
				 "--state DIR");
	}
	if (!ret)
		ret = each_link(&chain, drop_file, err);
	chain_close(&chain);
	return ret;
}

int cold_end(const struct vf_state *state, const struct snapshot *snapshot,
	     struct vf_err *err)
{
	struct chain chain;
	int ret = chain_open(&chain, state, snapshot->name, snapshot->id, err);

	if (!ret)
		ret = each_link(&chain, read_file, err);
	chain_close(&chain);
	return ret;
}
