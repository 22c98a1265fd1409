// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bake/copy.h"
#include "bake/lock.h"
#include "base/cleanup.h"
#include "base/io.h"

#define NS_PER_S 1000000000LL
#define TRIES	 8
#define STEP	 (64 << 20)

/* A byte for each permission that an opener does not share. */
#define QEMU_SHARED_BASE 200
#define QEMU_PERMISSIONS 4

static int open_old(struct copy *copy, struct vf_err *err)
{
	copy->old_fd = openat(copy->dir_fd, copy->name,
			      O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (copy->old_fd < 0 || fstat(copy->old_fd, &copy->st) < 0)
		return vf_err_set(err, errno, "%s", strerror(errno));
	if (!S_ISREG(copy->st.st_mode))
		return vf_err_set(err, EINVAL,
				  "neither a directory nor a file");
	return 0;
}

/* Return: 1 if it is locked, 0 if it was replaced meanwhile, -errno */
static int lock_old(struct copy *copy, struct vf_err *err)
{
	struct stat now;
	int ret = lock_take(copy->old_fd, err);

	if (ret < 0)
		return ret;
	if (fstat(copy->old_fd, &copy->st) < 0 ||
	    fstatat(copy->dir_fd, copy->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
		return vf_err_set(err, errno, "%s", strerror(errno));
	return now.st_dev == copy->st.st_dev && now.st_ino == copy->st.st_ino;
}

/*
 * A VM holds locks on parts of its image, and one that starts looks for such of
 * others that share nothing. So it is held off first, as another VM would do it,
 * and then looked for: what it writes from now on would be lost. A file system
 * without such locks has none of a VM's either.
 * Source: block/file-posix.c and include/block/block-common.h of QEMU.
 */
static int hold_off_vm(const struct copy *copy, struct vf_err *err)
{
	struct flock ours = { .l_type = F_RDLCK,
			      .l_whence = SEEK_SET,
			      .l_start = QEMU_SHARED_BASE,
			      .l_len = QEMU_PERMISSIONS };
	struct flock any = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	fcntl(copy->old_fd, F_OFD_SETLK, &ours);
	if (fcntl(copy->old_fd, F_OFD_GETLK, &any) == 0 &&
	    any.l_type != F_UNLCK)
		return vf_err_set(err, EBUSY, "in use, by a VM maybe");
	return 0;
}

/* Whoever had it locked may just have replaced it. */
static int take_old(struct copy *copy, struct vf_err *err)
{
	for (int i = 0; i < TRIES; i++) {
		int ret = open_old(copy, err);

		if (!ret)
			ret = lock_old(copy, err);
		if (ret < 0)
			return ret;
		if (ret)
			return hold_off_vm(copy, err);
		close(vf_steal_fd(&copy->old_fd));
	}
	vf_err_set(err, EBUSY, "is replaced again and again");
	vf_err_hint(err, "try again");
	return -EBUSY;
}

int copy_open(struct copy *copy, const char *path, bool write, int cancel_fd,
	      struct vf_err *err)
{
	char real[PATH_MAX];
	char *slash;
	int ret;

	*copy = (struct copy){
		.dir_fd = -1, .old_fd = -1, .fd = -1, .cancel_fd = cancel_fd
	};
	if (!realpath(path, real))
		return vf_err_set(err, errno, "%s", strerror(errno));
	slash = strrchr(real, '/');
	*slash = '\0';
	snprintf(copy->name, sizeof(copy->name), "%s", slash + 1);
	if (snprintf(copy->tmp, sizeof(copy->tmp), ".%s.vmfork-bake",
		     slash + 1) >= (int)sizeof(copy->tmp))
		return vf_err_errno(err, ENAMETOOLONG, "%.128s", path);
	copy->dir_fd =
		open(*real ? real : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy->dir_fd < 0)
		return vf_err_errno(err, errno, "%.256s", real);
	if (!write)
		return open_old(copy, err);
	ret = take_old(copy, err);
	/* of one that was killed */
	if (!ret && unlinkat(copy->dir_fd, copy->tmp, 0) < 0 && errno != ENOENT)
		return vf_err_errno(err, errno, "%s", copy->tmp);
	return ret;
}

int copy_begin(struct copy *copy, struct vf_err *err)
{
	if (copy->fd >= 0)
		return 0;
	copy->fd = openat(copy->dir_fd, copy->tmp,
			  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  0600);
	return copy->fd < 0 ? vf_err_errno(err, errno, "%s", copy->tmp) : 0;
}

/* Data that no hole interrupts. */
static int copy_run(int from_fd, off_t at, int to_fd, off_t len, int cancel_fd)
{
	char buf[64 << 10];

	while (len) {
		size_t step = len < STEP ? (size_t)len : STEP;
		ssize_t n = copy_file_range(from_fd, &at, to_fd, NULL, step, 0);

		if (vf_check_cancel(cancel_fd) < 0)
			return -ECANCELED;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len -= n;
	}
	/* not all file systems can, nor from one to another */
	while (len) {
		size_t n = len < (off_t)sizeof(buf) ? (size_t)len : sizeof(buf);
		int ret = vf_check_cancel(cancel_fd);

		if (!ret)
			ret = vf_pread_all(from_fd, buf, n, at);
		if (!ret)
			ret = vf_write_all(to_fd, buf, n);
		if (ret < 0)
			return ret;
		at += (off_t)n;
		len -= (off_t)n;
	}
	return 0;
}

int copy_data(int from_fd, off_t at, int to_fd, off_t len, int cancel_fd)
{
	off_t to = lseek(to_fd, 0, SEEK_CUR), end = at + len, begin = at;

	if (to < 0 || ftruncate(to_fd, to + len) < 0)
		return -errno;
	while (at < end) {
		off_t data = lseek(from_fd, at, SEEK_DATA);
		off_t hole = data < 0 ? end : lseek(from_fd, data, SEEK_HOLE);
		int ret;

		if (data < 0 && errno != ENXIO)
			return -errno;
		if (data < 0 || data >= end)
			break;
		if (hole < 0 || hole > end)
			hole = end;
		if (lseek(to_fd, to + data - begin, SEEK_SET) < 0)
			return -errno;
		ret = copy_run(from_fd, data, to_fd, hole - data, cancel_fd);
		if (ret < 0)
			return ret;
		at = hole;
	}
	return lseek(to_fd, to + len, SEEK_SET) < 0 ? -errno : 0;
}

int copy_commit(struct copy *copy, int64_t mtime_ns, struct vf_err *err)
{
	struct timespec at[2] = { { .tv_nsec = UTIME_OMIT },
				  { .tv_nsec = UTIME_NOW } };

	if (mtime_ns != COPY_NOW) {
		at[1].tv_sec = mtime_ns / NS_PER_S;
		at[1].tv_nsec = mtime_ns % NS_PER_S;
		/* before 1970, it still counts from the second's beginning */
		if (at[1].tv_nsec < 0) {
			at[1].tv_sec--;
			at[1].tv_nsec += NS_PER_S;
		}
	}
	if (fchown(copy->fd, copy->st.st_uid, copy->st.st_gid) < 0 ||
	    fchmod(copy->fd, copy->st.st_mode & 07777) < 0 ||
	    futimens(copy->fd, at) < 0 || fsync(copy->fd) < 0)
		return vf_err_errno(err, errno, "%s", copy->tmp);
	if (vf_check_cancel(copy->cancel_fd) < 0)
		return vf_err_errno(err, ECANCELED, "%s", copy->tmp);
	if (renameat(copy->dir_fd, copy->tmp, copy->dir_fd, copy->name) < 0)
		return vf_err_errno(err, errno, "%s", copy->tmp);
	close(vf_steal_fd(&copy->fd));
	if (fsync(copy->dir_fd) < 0)
		return vf_err_set(err, errno,
				  "replaced, but a crash may bring back "
				  "what was: %s",
				  strerror(errno));
	return 0;
}

void copy_close(struct copy *copy)
{
	if (copy->fd >= 0) {
		unlinkat(copy->dir_fd, copy->tmp, 0);
		close(copy->fd);
	}
	if (copy->old_fd >= 0)
		close(copy->old_fd);
	if (copy->dir_fd >= 0)
		close(copy->dir_fd);
}
