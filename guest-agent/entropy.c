// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>

#include "entropy.h"
#include "monotonic.h"

/* struct rand_pool_info with room for its bytes */
struct pool {
	int entropy_bits;
	int size_bytes;
	uint8_t bytes[VMFORK_ENTROPY_LEN];
};

int entropy_open(void)
{
	int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int pool_add(int fd, const uint8_t *bytes)
{
	struct pool pool = {
		.entropy_bits = 8 * VMFORK_ENTROPY_LEN,
		.size_bytes = VMFORK_ENTROPY_LEN,
	};
	int ret;

	memcpy(pool.bytes, bytes, sizeof(pool.bytes));
	ret = ioctl(fd, RNDADDENTROPY, &pool) < 0 ? -errno : 0;
	explicit_bzero(&pool, sizeof(pool));
	return ret;
}

void entropy_reseed(int fd, uint8_t *bytes, struct vmfork_status *status)
{
	int ret = fd;

	if (fd >= 0 && bytes)
		ret = pool_add(fd, bytes);
	if (bytes)
		explicit_bzero(bytes, VMFORK_ENTROPY_LEN);
	/* ENODATA: they were never seeded, so nothing of them was given out */
	if (ret >= 0 && ioctl(fd, RNDRESEEDCRNG) < 0)
		ret = -errno;
	if (ret < 0) {
		status->reseed = VMFORK_RESEED_FAILED;
		status->reseed_error = (uint32_t)-ret;
		return;
	}
	status->reseed = bytes ? VMFORK_RESEED_DONE : VMFORK_RESEED_ALONE;
	status->reseed_error = 0;
	status->reseed_ns = monotonic_ns();
}
