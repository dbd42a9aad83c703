// SPDX-License-Identifier: GPL-2.0
/* v5.12, 5f7136db8299, a8affc03a9b3: bio_max_segs(), BIO_MAX_VECS */
#include <linux/bio.h>

unsigned int f(unsigned int n);
unsigned int f(unsigned int n)
{
	return bio_max_segs(n) + BIO_MAX_VECS;
}
