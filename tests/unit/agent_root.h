/* SPDX-License-Identifier: MIT */
/* A guest's files in a directory of a test's own, and an agent that sees them. */
#ifndef TEST_AGENT_ROOT_H
#define TEST_AGENT_ROOT_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "settle.h"

static struct agent agent;
static char root_path[32];

static inline int root_setup(void **state)
{
	(void)state;
	strcpy(root_path, "/tmp/agent-root-XXXXXX");
	if (!mkdtemp(root_path))
		return -1;
	agent = (struct agent){
		.root_fd = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	if (mkdirat(agent.root_fd, "etc", 0755) < 0 ||
	    mkdirat(agent.root_fd, "run", 0755) < 0)
		return -1;
	agent.dir.dir_fd = openat(agent.root_fd, "run",
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return agent.dir.dir_fd < 0 ? -1 : 0;
}

static inline int root_remove(const char *path, const struct stat *st, int type,
			      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int root_teardown(void **state)
{
	(void)state;
	close(agent.dir.dir_fd);
	close(agent.root_fd);
	return nftw(root_path, root_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void root_put(const char *path, const char *text, mode_t mode)
{
	int fd = openat(agent.root_fd, path,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline bool root_has(const char *path)
{
	return faccessat(agent.root_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void assert_file(const char *path, const char *text, mode_t mode)
{
	char got[4096];
	struct stat st;
	ssize_t len;
	int fd = openat(agent.root_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	assert_true(fd >= 0);
	len = read(fd, got, sizeof(got) - 1);
	assert_true(len >= 0);
	got[len] = '\0';
	assert_string_equal(got, text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	close(fd);
}

#endif
