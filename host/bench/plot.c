// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/process.h"
#include "bench/plot.h"

#define CHECK_MS 10000

int plot_check(struct vf_err *err)
{
	char *const argv[] = { (char *)"gnuplot", (char *)"--version", NULL };
	char version[128];
	struct vf_err ignored;

	if (process_output(argv, version, sizeof(version), CHECK_MS,
			   &ignored) == 0)
		return 0;
	vf_err_set(err, ENOENT, "--plot: gnuplot does not run");
	vf_err_hint(err, "install it (Debian: gnuplot-nox), or use --csv");
	return -ENOENT;
}

int plot_open(FILE **to, const char *path, struct vf_err *err)
{
	if (strchr(path, '\n'))
		return vf_err_set(err, EINVAL, "--plot: no file name");
	*to = popen("gnuplot", "we");
	if (!*to)
		return vf_err_errno(err, errno, "gnuplot");
	fprintf(*to, "set terminal svg size 900,560 background '#ffffff'\n"
		     "set output '");
	/* a quote within quotes is written twice */
	for (const char *c = path; *c; c++)
		fprintf(*to, *c == '\'' ? "''" : "%c", *c);
	fprintf(*to, "'\n");
	return 0;
}

int plot_close(FILE *to, const char *path, struct vf_err *err)
{
	int status = pclose(to);

	if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status))
		return vf_err_set(err, EIO, "%s: gnuplot failed", path);
	return 0;
}
