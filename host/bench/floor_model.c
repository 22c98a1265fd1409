// SPDX-License-Identifier: MIT
/* A fork's command line, read from its engine. floor.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bench/floor.h"

#define CMDLINE_BYTES 65536
#define WORDS_MAX     256
#define NUMBER_MAX    255 /* of a descriptor that a command line names */
#define FD_PATH	      "/proc/self/fd/"
#define FD_OPTION     ",fd="
#define QMP_OPTION    "socket,id=qmp,"
#define LISTEN_OPTION ",server=on"

int floor_fd_move(int fd)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, NUMBER_MAX + 1);
	int error = errno;

	if (fd >= 0)
		close(fd);
	return moved < 0 ? -error : moved;
}

static int not_understood(struct vf_err *err, const char *word)
{
	return vf_err_set(err, ENOTSUP, "floor: '%.100s': not understood",
			  word);
}

/* What the engine has under that number, and how another one gets its like. */
static int add_fd(struct floor_model *model, pid_t pid, const char *word,
		  int number, struct vf_err *err)
{
	struct floor_fd *fd = &model->fds[model->num_fds];
	char link[64], path[PATH_MAX];
	ssize_t len;

	if (number <= STDERR_FILENO || number > NUMBER_MAX ||
	    model->num_fds == FLOOR_FDS_MAX)
		return not_understood(err, word);
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, number);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return vf_err_errno(err, errno, "floor: %s", link);
	path[len] = '\0';
	*fd = (struct floor_fd){ .number = number, .file_fd = -1 };
	if (!strcmp(path, "/dev/net/tun")) {
		fd->kind = FLOOR_FD_TAP;
	} else if (!strncmp(path, "socket:", 7)) {
		if (!strstr(word, LISTEN_OPTION))
			return not_understood(err, word);
		fd->kind = FLOOR_FD_SOCKET;
		fd->is_qmp = !strncmp(word, QMP_OPTION, strlen(QMP_OPTION));
	} else {
		fd->kind = FLOOR_FD_FILE;
		fd->file_fd = floor_fd_move(open(link, O_RDONLY | O_CLOEXEC));
		if (fd->file_fd < 0)
			return vf_err_errno(err, fd->file_fd, "floor: %.100s",
					    path);
	}
	model->num_fds++;
	return 0;
}

/* A word names at most one descriptor: as a file's path, or as an option. */
static int find_fd(struct floor_model *model, pid_t pid, const char *word,
		   struct vf_err *err)
{
	const char *p = strstr(word, FD_PATH);

	if (p)
		return add_fd(model, pid, word, atoi(p + strlen(FD_PATH)), err);
	p = strstr(word, FD_OPTION);
	if (p)
		return add_fd(model, pid, word, atoi(p + strlen(FD_OPTION)),
			      err);
	return 0;
}

static int find_fds(struct floor_model *model, pid_t pid, struct vf_err *err)
{
	bool has_qmp = false;

	for (char **word = model->argv; *word; word++) {
		int ret;

		/* what the user wrote */
		if (!strcmp(*word, "-append") || !strcmp(*word, "-name")) {
			word++;
			if (!*word)
				break;
			continue;
		}
		ret = find_fd(model, pid, *word, err);
		if (ret < 0)
			return ret;
	}
	for (unsigned int i = 0; i < model->num_fds; i++)
		has_qmp |= model->fds[i].is_qmp;
	return has_qmp ? 0 : not_understood(err, "no QMP socket");
}

static int read_words(struct floor_model *model, pid_t pid, struct vf_err *err)
{
	unsigned int num = 0;
	char path[32];
	size_t len;
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	ret = vf_read_file(AT_FDCWD, path, CMDLINE_BYTES, &model->words, &len,
			   err);
	if (ret < 0)
		return ret;
	model->argv = calloc(WORDS_MAX + 1, sizeof(*model->argv));
	if (!model->argv)
		return vf_err_errno(err, ENOMEM, "floor");
	for (char *word = model->words; word < model->words + len;
	     word += strlen(word) + 1) {
		if (num == WORDS_MAX)
			return not_understood(err, word);
		model->argv[num++] = word;
	}
	return num ? 0 : vf_err_set(err, ESRCH, "floor: the fork has ended");
}

/* What a link of /proc stands for, and more to follow it. */
static int read_path(char path[PATH_MAX], const char *link, const char *tail,
		     struct vf_err *err)
{
	ssize_t len = readlink(link, path, PATH_MAX);

	if (len < 0)
		return vf_err_errno(err, errno, "floor: %s", link);
	if ((size_t)len + strlen(tail) >= PATH_MAX)
		return vf_err_errno(err, ENAMETOOLONG, "floor: %s", link);
	strcpy(path + len, tail);
	return 0;
}

int floor_model_init(struct floor_model *model, const struct snapshot *snapshot,
		     pid_t pid, struct vf_err *err)
{
	char link[64];
	int ret;

	*model = (struct floor_model){ .log_fd = -1 };
	if (snapshot->disks.num)
		return vf_err_set(err, ENOTSUP,
				  "floor: snapshot %s has disks, of which "
				  "each engine needs its own",
				  snapshot->name);
	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	ret = read_path(model->program, link, "", err);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", snapshot->dir_fd);
	if (!ret)
		ret = read_path(model->state_path, link, "/" VMM_STATE_FILE,
				err);
	if (!ret)
		ret = read_words(model, pid, err);
	if (!ret)
		ret = find_fds(model, pid, err);
	if (ret < 0)
		return ret;
	model->log_fd = floor_fd_move(memfd_create("floor", MFD_CLOEXEC));
	return model->log_fd < 0 ? vf_err_errno(err, model->log_fd, "floor")
				 : 0;
}

void floor_model_exit(struct floor_model *model)
{
	for (unsigned int i = 0; i < model->num_fds; i++)
		vf_close_fd(&model->fds[i].file_fd);
	model->num_fds = 0;
	vf_close_fd(&model->log_fd);
	model->log_fd = -1;
	free(model->argv);
	model->argv = NULL;
	free(model->words);
	model->words = NULL;
}
