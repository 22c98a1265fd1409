// SPDX-License-Identifier: MIT
#include "armed.h"
#include "monotonic.h"

/*
 * Where the clock is a device, reading it is a call into the kernel that takes
 * as long as all these: the snapshot should find us here, not there.
 */
#define LOOKS 1024

/*
 * No pause instruction: that makes an emulator leave the guest, and a hypervisor
 * give the processor to others. For milliseconds there is nothing to be saved.
 */
enum armed_end armed_spin(const struct mailbox *mbox, uint64_t end_ns)
{
	do {
		for (int i = 0; i < LOOKS; i++) {
			if (mailbox_has_mail(mbox))
				return ARMED_MAIL;
			if (mailbox_has_request(mbox))
				return mailbox_has_mail(mbox) ? ARMED_MAIL
							      : ARMED_ASKED;
		}
	} while (monotonic_ns() < end_ns);
	return mailbox_has_mail(mbox) ? ARMED_MAIL : ARMED_OVER;
}
