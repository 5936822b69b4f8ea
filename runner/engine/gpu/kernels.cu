// The fast engine's kernels for a GPU. They compute what runner/engine/cpu computes.
//
// All arrays are in C order, and float32 unless stated otherwise. Every sum is taken in a fixed
// order: partial sums are stored and added in the order of their blocks, never by float atomics. A
// run on one GPU thus has the same bits each time it is trained. ReLU is `x <= 0 ? 0 : x`, which
// propagates NaN as DeZero's does. `__restrict__` allows the compiler to load ahead of stores.

#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#endif

// The position within a pass over images, and its results (runner/engine/gpu/batches.py).
struct State {
    long long row;    // images done
    long long time;   // training step, or epoch of an evaluation: counter of dropout masks
    long long steps;  // batches done
    long long n_correct;
    long long diverged_at;  // first batch, counted from 1, whose loss is not finite; 0: none
    double diverged_loss;
    double loss_sum;  // sum over batches of mean loss times images
};

// Threads of a block: 8 warps.
#define THREADS 256

// Sums each of N values over the block; totals[] is valid in every thread.
template <int N>
__device__ void block_sums(float (&values)[N], float* totals) {
    __shared__ float warp_sums[N][THREADS / 32];
    for (int i = 0; i < N; ++i) {
        float sum = values[i];
        for (int offset = 16; offset > 0; offset /= 2)
            sum += __shfl_down_sync(0xffffffffu, sum, offset);
        if (threadIdx.x % 32 == 0) warp_sums[i][threadIdx.x / 32] = sum;
    }
    __syncthreads();
    if (threadIdx.x < N) {
        float sum = 0.f;
        for (int w = 0; w < THREADS / 32; ++w) sum += warp_sums[threadIdx.x][w];
        totals[threadIdx.x] = sum;
    }
    __syncthreads();
}

// Whether this block is the last of n to get here; it then sees what the others have written. The
// ticket is 0 before and after.
__device__ bool is_last_of(int n, int* ticket) {
    __shared__ bool is_last;
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        is_last = atomicAdd(ticket, 1) == n - 1;
        if (is_last) *ticket = 0;
    }
    __syncthreads();
    if (is_last) __threadfence();
    return is_last;
}

// Blocks that share the sums of one channel, each over a slice of the images.
#define SLICES 16

// =================================================================================================
// A batch
// =================================================================================================

// x (n, n_pixels) = images[order[row ... row + n]] / scale, and t (n,), the labels of these images.
// images (n_images, n_pixels), labels int32 (n_images,), order int32 (n_images,).
// Grid (n, n_pixels / THREADS).
template <typename Pixel>
__device__ void gather_rows(const Pixel* __restrict__ images, const int* __restrict__ labels,
                            const int* __restrict__ order, const State* __restrict__ state,
                            int n_pixels, float scale, float* __restrict__ x, int* __restrict__ t) {
    const int r = blockIdx.x, p = blockIdx.y * blockDim.x + threadIdx.x;
    const long long image = order[state->row + r];
    if (p < n_pixels) x[(long long)r * n_pixels + p] = (float)images[image * n_pixels + p] / scale;
    if (p == 0) t[r] = labels[image];
}

extern "C" __global__ void gather_uint8(const unsigned char* __restrict__ images,
                                        const int* __restrict__ labels,
                                        const int* __restrict__ order,
                                        const State* __restrict__ state, int n_pixels, float scale,
                                        float* __restrict__ x, int* __restrict__ t) {
    gather_rows(images, labels, order, state, n_pixels, scale, x, t);
}

extern "C" __global__ void gather_float32(const float* __restrict__ images,
                                          const int* __restrict__ labels,
                                          const int* __restrict__ order,
                                          const State* __restrict__ state, int n_pixels,
                                          float scale, float* __restrict__ x,
                                          int* __restrict__ t) {
    gather_rows(images, labels, order, state, n_pixels, scale, x, t);
}

// =================================================================================================
// 3x3 convolution of one-channel images, ReLU and 2x2 max-pool in one kernel, without im2col
// =================================================================================================

// Stored instead of the index of the maximum where ReLU gives 0, so that no gradient passes.
#define CLOSED 4
// Output channels that one block computes from its image.
#define CHANNELS 8

// Keeps the larger value, of equal ones the first; NaN counts as the largest.
__device__ void take_larger(float z, signed char at, float& best, signed char& corner) {
    if (z > best || z != z) {
        best = z;
        corner = at;
    }
}

// x (n, height, width), W (n_channels, 9), b (n_channels,) -> y (n, n_channels, pooled pixels) and
// winners, int8 of that shape: the index of the maximum in each 2x2 window, or CLOSED.
// Grid (n, n_channels / CHANNELS). Shared memory holds the image with a border of zeros.
extern "C" __global__ void conv3x3_relu_pool(const float* __restrict__ x,
                                             const float* __restrict__ W,
                                             const float* __restrict__ b, int n_channels,
                                             int height, int width, float* __restrict__ y,
                                             signed char* __restrict__ winners) {
    DYNAMIC_SHARED(float, padded);
    __shared__ float weights[CHANNELS][10];
    const int pitch = width + 2, pooled_width = width / 2, n_pooled = (height / 2) * pooled_width;
    const int first = blockIdx.y * CHANNELS;
    const int n_here = n_channels - first < CHANNELS ? n_channels - first : CHANNELS;
    const float* image = x + (long long)blockIdx.x * height * width;
    for (int i = threadIdx.x; i < (height + 2) * pitch; i += blockDim.x) {
        const int r = i / pitch - 1, c = i % pitch - 1;
        padded[i] = r >= 0 && r < height && c >= 0 && c < width ? image[r * width + c] : 0.f;
    }
    for (int i = threadIdx.x; i < n_here * 10; i += blockDim.x)
        weights[i / 10][i % 10] = i % 10 < 9 ? W[(first + i / 10) * 9 + i % 10] : b[first + i / 10];
    __syncthreads();
    for (int p = threadIdx.x; p < n_pooled; p += blockDim.x) {
        const float* window_start =
            padded + 2 * (p / pooled_width) * pitch + 2 * (p % pooled_width);
        float v[4][4];
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
            for (int j = 0; j < 4; ++j) v[i][j] = window_start[i * pitch + j];
        for (int c = 0; c < n_here; ++c) {
            const float bias = weights[c][9];
            float z0 = bias, z1 = bias, z2 = bias, z3 = bias;
#pragma unroll
            for (int i = 0; i < 3; ++i)
#pragma unroll
                for (int j = 0; j < 3; ++j) {
                    const float w = weights[c][3 * i + j];
                    z0 += w * v[i][j];
                    z1 += w * v[i][j + 1];
                    z2 += w * v[i + 1][j];
                    z3 += w * v[i + 1][j + 1];
                }
            float best = z0;
            signed char corner = 0;
            take_larger(z1, 1, best, corner);
            take_larger(z2, 2, best, corner);
            take_larger(z3, 3, best, corner);
            const bool closed = best <= 0.f;
            const long long at = ((long long)blockIdx.x * n_channels + first + c) * n_pooled + p;
            y[at] = closed ? 0.f : best;
            winners[at] = closed ? CLOSED : corner;
        }
    }
}

// gW (n_channels, 9) and gb (n_channels,) of conv3x3_relu_pool. Grid (n_channels, SLICES).
// partials (n_channels, SLICES, 10); tickets int32 (n_channels,), 0 before and after.
extern "C" __global__ void conv3x3_gradients(const float* __restrict__ x,
                                             const float* __restrict__ gy,
                                             const signed char* __restrict__ winners, int n_images,
                                             int height, int width, float* partials, int* tickets,
                                             float* __restrict__ gW, float* __restrict__ gb) {
    __shared__ float totals[10];
    const int c = blockIdx.x, slice = blockIdx.y, n_channels = gridDim.x;
    const int pooled_width = width / 2, n_pooled = (height / 2) * pooled_width;
    const int first = (int)((long long)n_images * slice / SLICES);
    const int stop = (int)((long long)n_images * (slice + 1) / SLICES);
    float sums[10] = {0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f, 0.f};
    for (long long i = threadIdx.x; i < (long long)(stop - first) * n_pooled; i += blockDim.x) {
        const int n = first + (int)(i / n_pooled), p = (int)(i % n_pooled);
        const long long at = ((long long)n * n_channels + c) * n_pooled + p;
        const int corner = winners[at];
        if (corner == CLOSED) continue;
        const float g = gy[at];
        const int r = 2 * (p / pooled_width) + corner / 2;
        const int column = 2 * (p % pooled_width) + corner % 2;
        const float* image = x + (long long)n * height * width;
#pragma unroll
        for (int k = 0; k < 9; ++k) {
            const int rr = r + k / 3 - 1, cc = column + k % 3 - 1;
            if (rr >= 0 && rr < height && cc >= 0 && cc < width)
                sums[k] += g * image[rr * width + cc];
        }
        sums[9] += g;
    }
    block_sums(sums, totals);
    if (threadIdx.x < 10)
        partials[((long long)c * SLICES + slice) * 10 + threadIdx.x] = totals[threadIdx.x];
    // The last block adds the partial sums in the order of the slices.
    if (!is_last_of(SLICES, &tickets[c]) || threadIdx.x >= 10) return;
    const volatile float* written = partials + (long long)c * SLICES * 10 + threadIdx.x;
    float sum = 0.f;
    for (int s = 0; s < SLICES; ++s) sum += written[s * 10];
    if (threadIdx.x < 9)
        gW[c * 9 + threadIdx.x] = sum;
    else
        gb[c] = sum;
}

// =================================================================================================
// Any convolution: im2col before, and bias, ReLU and max-pool after the products of cuBLAS
// =================================================================================================

// x (n, channels, height, width) -> columns (n, channels * k * k, height * width).
// One thread per element.
extern "C" __global__ void im2col(const float* __restrict__ x, long long n_elements, int channels,
                                  int height, int width, int k, float* __restrict__ columns) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_elements) return;
    const int n_pixels = height * width, p = (int)(i % n_pixels);
    const long long row = i / n_pixels;
    const int tap = (int)(row % (k * k));
    const long long plane = row / (k * k);
    const int r = p / width + tap / k - k / 2, c = p % width + tap % k - k / 2;
    columns[i] =
        r >= 0 && r < height && c >= 0 && c < width ? x[plane * n_pixels + r * width + c] : 0.f;
}

// The gradient of im2col: each pixel of gx (n, channels, height, width) is the sum of the elements
// of columns that hold it. One thread per pixel.
extern "C" __global__ void col2im(const float* __restrict__ columns, long long n_elements,
                                  int height, int width, int k, float* __restrict__ gx) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_elements) return;
    const int n_pixels = height * width, p = (int)(i % n_pixels);
    const long long plane = i / n_pixels;
    float sum = 0.f;
    for (int tap = 0; tap < k * k; ++tap) {
        const int r = p / width - tap / k + k / 2, c = p % width - tap % k + k / 2;
        if (r >= 0 && r < height && c >= 0 && c < width)
            sum += columns[(plane * k * k + tap) * n_pixels + r * width + c];
    }
    gx[i] = sum;
}

// total (size,) = (begin ? 0 : total) + the sum of parts (n, size), in their order.
extern "C" __global__ void sum_parts(const float* __restrict__ parts, int n, int size, int begin,
                                     float* __restrict__ total) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    float sum = begin ? 0.f : total[i];
    for (int part = 0; part < n; ++part) sum += parts[(long long)part * size + i];
    total[i] = sum;
}

// In place on z (n, n_channels, n_pixels): relu(z + b), one b per channel. One thread per element.
extern "C" __global__ void bias_relu_images(float* __restrict__ z, const float* __restrict__ b,
                                            long long n_elements, int n_channels, int n_pixels) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_elements) return;
    const float v = z[i] + b[(i / n_pixels) % n_channels];
    z[i] = v <= 0.f ? 0.f : v;
}

// gz = gy where y > 0, else 0. One thread per element.
extern "C" __global__ void relu_gradients_images(const float* __restrict__ gy,
                                                 const float* __restrict__ y, long long n_elements,
                                                 float* __restrict__ gz) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n_elements) gz[i] = y[i] > 0.f ? gy[i] : 0.f;
}

// gb (n_channels,) = the sum of gz (n, n_channels, n_pixels) over images and pixels.
// Grid (n_channels, SLICES). partials (n_channels, SLICES); tickets int32 (n_channels,), 0 before
// and after.
extern "C" __global__ void channel_sums(const float* __restrict__ gz, int n, int n_pixels,
                                        float* partials, int* tickets, float* __restrict__ gb) {
    __shared__ float total[1];
    const int c = blockIdx.x, slice = blockIdx.y, n_channels = gridDim.x;
    const int first = (int)((long long)n * slice / SLICES);
    const int stop = (int)((long long)n * (slice + 1) / SLICES);
    float sums[1] = {0.f};
    for (long long i = threadIdx.x; i < (long long)(stop - first) * n_pixels; i += blockDim.x)
        sums[0] += gz[((first + i / n_pixels) * n_channels + c) * n_pixels + i % n_pixels];
    block_sums(sums, total);
    if (threadIdx.x == 0) partials[c * SLICES + slice] = total[0];
    if (!is_last_of(SLICES, &tickets[c]) || threadIdx.x > 0) return;
    const volatile float* written = partials + c * SLICES;
    float sum = 0.f;
    for (int s = 0; s < SLICES; ++s) sum += written[s];
    gb[c] = sum;
}

// z (n, n_channels, height, width) -> y = max-pool(relu(z + b)), and winners as in
// conv3x3_relu_pool. One thread per pooled pixel.
extern "C" __global__ void bias_relu_pool(const float* __restrict__ z, const float* __restrict__ b,
                                          long long n_pooled_elements, int n_channels, int height,
                                          int width, float* __restrict__ y,
                                          signed char* __restrict__ winners) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_pooled_elements) return;
    const int pooled_width = width / 2, n_pooled = (height / 2) * pooled_width;
    const int p = (int)(i % n_pooled);
    const long long plane = i / n_pooled;
    const float* window =
        z + plane * height * width + 2 * (p / pooled_width) * width + 2 * (p % pooled_width);
    float best = window[0];
    signed char corner = 0;
    take_larger(window[1], 1, best, corner);
    take_larger(window[width], 2, best, corner);
    take_larger(window[width + 1], 3, best, corner);
    best += b[plane % n_channels];
    const bool closed = best <= 0.f;
    y[i] = closed ? 0.f : best;
    winners[i] = closed ? CLOSED : corner;
}

// gz (n, n_channels, height, width): the gradient of each pooled pixel at the maximum of its
// window, else 0. One thread per element of gz.
extern "C" __global__ void pool_gradients(const float* __restrict__ gy,
                                          const signed char* __restrict__ winners,
                                          long long n_elements, int height, int width,
                                          float* __restrict__ gz) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_elements) return;
    const int pooled_width = width / 2, pooled_height = height / 2;
    const int r = (int)(i % (height * width)) / width, c = (int)(i % width);
    float g = 0.f;
    if (r / 2 < pooled_height && c / 2 < pooled_width) {
        const long long at =
            (i / (height * width)) * pooled_height * pooled_width + (r / 2) * pooled_width + c / 2;
        if (winners[at] == 2 * (r % 2) + c % 2) g = gy[at];
    }
    gz[i] = g;
}

// =================================================================================================
// Linear layers: what comes before and after the products of cuBLAS
// =================================================================================================

// Philox 4x32-10 (runner/seeding.py): the four words of a counter.
__device__ void philox(unsigned int x0, unsigned int x1, unsigned int x2, unsigned int x3,
                       unsigned int k0, unsigned int k1, unsigned int (&words)[4]) {
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        const unsigned int high0 = __umulhi(0xD2511F53u, x0), low0 = 0xD2511F53u * x0;
        const unsigned int high1 = __umulhi(0xCD9E8D57u, x2), low1 = 0xCD9E8D57u * x2;
        x0 = high1 ^ x1 ^ k0;
        x1 = low1;
        x2 = high0 ^ x3 ^ k1;
        x3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = x0;
    words[1] = x1;
    words[2] = x2;
    words[3] = x3;
}

// In place on z (n_rows, n_units): z + b. One thread per element.
extern "C" __global__ void add_bias(float* __restrict__ z, const float* __restrict__ b,
                                    long long n_elements, int n_units) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n_elements) z[i] = z[i] + b[i % n_units];
}

// In place on z (n_rows, n_units): relu(z + b). One thread per element.
extern "C" __global__ void bias_relu(float* __restrict__ z, const float* __restrict__ b,
                                     long long n_elements, int n_units) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n_elements) return;
    const float v = z[i] + b[i % n_units];
    z[i] = v <= 0.f ? 0.f : v;
}

// bias_relu with dropout: a unit is kept if its random word reaches the threshold, and is divided
// by `kept`, the share of units that are kept. One thread per Philox counter, which covers four
// units; a batch may start within a counter and so needs up to one thread more than a quarter of
// its elements.
extern "C" __global__ void bias_relu_dropout(float* __restrict__ z, const float* __restrict__ b,
                                             int n_rows, int n_units, unsigned int threshold,
                                             float kept, unsigned int layer, unsigned int purpose,
                                             unsigned int key0, unsigned int key1,
                                             const State* __restrict__ state, int is_training) {
    // A mask in training covers one batch; a mask in an evaluation covers all of its images.
    const long long start = is_training ? 0 : state->row * n_units;
    const long long stop = start + (long long)n_rows * n_units;
    const long long quad = start / 4 + (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (4 * quad >= stop) return;
    unsigned int words[4];
    philox((unsigned int)quad, (unsigned int)state->time, layer, purpose, key0, key1, words);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const long long i = 4 * quad + k - start;
        if (i < 0 || i >= stop - start) continue;
        float v = z[i] + b[i % n_units];
        v = v <= 0.f ? 0.f : v;
        z[i] = words[k] >= threshold ? v / kept : 0.f;
    }
}

// kept (n_rows, n_units), uint8: the mask of bias_relu_dropout. One thread per Philox counter.
extern "C" __global__ void keep(unsigned char* __restrict__ kept, int n_rows, int n_units,
                                unsigned int threshold, unsigned int layer, unsigned int purpose,
                                unsigned int key0, unsigned int key1,
                                const State* __restrict__ state, int is_training) {
    const long long start = is_training ? 0 : state->row * n_units;
    const long long stop = start + (long long)n_rows * n_units;
    const long long quad = start / 4 + (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (4 * quad >= stop) return;
    unsigned int words[4];
    philox((unsigned int)quad, (unsigned int)state->time, layer, purpose, key0, key1, words);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        const long long i = 4 * quad + k - start;
        if (i >= 0 && i < stop - start) kept[i] = words[k] >= threshold;
    }
}

// gz = gy / kept where y > 0, else 0, and gb (n_units,) = the sum of gz over the rows.
// Grid (n_units / 32). A block takes 32 units, and 8 rows at a time.
extern "C" __global__ void relu_gradients(const float* __restrict__ gy, const float* __restrict__ y,
                                          float kept, int n_rows, int n_units,
                                          float* __restrict__ gz, float* __restrict__ gb) {
    __shared__ float sums[THREADS / 32][32];
    const int lane = threadIdx.x % 32, group = threadIdx.x / 32, unit = blockIdx.x * 32 + lane;
    float sum = 0.f;
    if (unit < n_units)
#pragma unroll 4
        for (int r = group; r < n_rows; r += THREADS / 32) {
            const long long at = (long long)r * n_units + unit;
            const float g = y[at] > 0.f ? gy[at] / kept : 0.f;
            gz[at] = g;
            sum += g;
        }
    sums[group][lane] = sum;
    __syncthreads();
    if (group == 0 && unit < n_units) {
        for (int w = 1; w < THREADS / 32; ++w) sum += sums[w][lane];
        gb[unit] = sum;
    }
}

// gb (n_units,) = the sum of gy (n_rows, n_units) over the rows; grid as for relu_gradients.
extern "C" __global__ void row_sums(const float* __restrict__ gy, int n_rows, int n_units,
                                    float* __restrict__ gb) {
    __shared__ float sums[THREADS / 32][32];
    const int lane = threadIdx.x % 32, group = threadIdx.x / 32, unit = blockIdx.x * 32 + lane;
    float sum = 0.f;
    if (unit < n_units)
#pragma unroll 4
        for (int r = group; r < n_rows; r += THREADS / 32) sum += gy[(long long)r * n_units + unit];
    sums[group][lane] = sum;
    __syncthreads();
    if (group == 0 && unit < n_units) {
        for (int w = 1; w < THREADS / 32; ++w) sum += sums[w][lane];
        gb[unit] = sum;
    }
}

// The most units of a narrow layer. The last layer has one unit per class, and a matrix product
// with so few columns would leave most of a GPU idle.
#define NARROW 16

// y (n_rows, n_out) = x (n_rows, n_in) @ W (n_in, n_out) + b, n_out <= NARROW. The warps of a row
// take its elements in turn, and their sums are added in the order of the warps.
// Grid (n_rows * warps_per_row / 8).
extern "C" __global__ void narrow_linear(const float* __restrict__ x, const float* __restrict__ W,
                                         const float* __restrict__ b, int n_rows, int n_in,
                                         int n_out, int warps_per_row, float* __restrict__ y) {
    __shared__ float warp_sums[THREADS / 32][NARROW];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const int rows_per_block = THREADS / 32 / warps_per_row;
    const long long first = (long long)blockIdx.x * rows_per_block;
    const long long r = first + warp / warps_per_row;
    if (r < n_rows) {  // equal for all threads of a warp, as the shuffles below need it
        const float* row = x + r * n_in;
        float sums[NARROW];
#pragma unroll
        for (int j = 0; j < NARROW; ++j) sums[j] = 0.f;
        for (int k = warp % warps_per_row * 32 + lane; k < n_in; k += 32 * warps_per_row) {
            const float v = row[k];
#pragma unroll
            for (int j = 0; j < NARROW; ++j)
                if (j < n_out) sums[j] += v * W[(long long)k * n_out + j];
        }
#pragma unroll
        for (int j = 0; j < NARROW; ++j)
            if (j < n_out) {
                float sum = sums[j];
                for (int offset = 16; offset > 0; offset /= 2)
                    sum += __shfl_down_sync(0xffffffffu, sum, offset);
                if (lane == 0) warp_sums[warp][j] = sum;
            }
    }
    __syncthreads();
    const int row_here = threadIdx.x / NARROW, j = threadIdx.x % NARROW;
    if (row_here >= rows_per_block || first + row_here >= n_rows || j >= n_out) return;
    float sum = warp_sums[row_here * warps_per_row][j];
    for (int part = 1; part < warps_per_row; ++part)
        sum += warp_sums[row_here * warps_per_row + part][j];
    y[(first + row_here) * n_out + j] = sum + b[j];
}

// gW (n_in, n_out), gb (n_out,) and gx (n_rows, n_in) of narrow_linear. Blocks: n_in / 32 for gW,
// one for gb, and n_rows * n_in / THREADS for gx, or none where gx is not needed.
extern "C" __global__ void narrow_linear_gradients(const float* __restrict__ x,
                                                   const float* __restrict__ W,
                                                   const float* __restrict__ gy, int n_rows,
                                                   int n_in, int n_out, float* __restrict__ gW,
                                                   float* __restrict__ gb, float* __restrict__ gx) {
    __shared__ float sums[THREADS / 32][NARROW][33];
    const int lane = threadIdx.x % 32, group = threadIdx.x / 32, n_weight_blocks = (n_in + 31) / 32;
    const int block = blockIdx.x;
    if (block <= n_weight_blocks) {
        // The block after those of gW computes gb, which is gW for a column of ones in x.
        const bool is_bias_block = block == n_weight_blocks;
        const int k = is_bias_block ? lane : block * 32 + lane;
        const bool has_column = is_bias_block ? lane == 0 : k < n_in;
        float part[NARROW];
#pragma unroll
        for (int j = 0; j < NARROW; ++j) part[j] = 0.f;
        if (has_column)
            for (int r = group; r < n_rows; r += THREADS / 32) {
                const float v = is_bias_block ? 1.f : x[(long long)r * n_in + k];
#pragma unroll
                for (int j = 0; j < NARROW; ++j)
                    if (j < n_out) part[j] += v * gy[(long long)r * n_out + j];
            }
#pragma unroll
        for (int j = 0; j < NARROW; ++j) sums[group][j][lane] = part[j];
        __syncthreads();
        if (!has_column) return;
        for (int j = group; j < n_out; j += THREADS / 32) {
            float sum = 0.f;
            for (int w = 0; w < THREADS / 32; ++w) sum += sums[w][j][lane];
            if (is_bias_block)
                gb[j] = sum;
            else
                gW[(long long)k * n_out + j] = sum;
        }
        return;
    }
    const long long i = (long long)(block - n_weight_blocks - 1) * THREADS + threadIdx.x;
    if (i >= (long long)n_rows * n_in) return;
    const long long r = i / n_in, k = i % n_in;
    float sum = 0.f;
    for (int j = 0; j < n_out; ++j) sum += gy[r * n_out + j] * W[k * n_out + j];
    gx[i] = sum;
}

// narrow_linear_gradients, and relu_gradients of the layer before, whose output is x (n_rows,
// n_in): its gz (n_rows, n_in) and its gradient of the bias, gb_before (n_in,). Blocks: n_in / 32,
// and one for gb.
extern "C" __global__ void narrow_linear_relu_gradients(
    const float* __restrict__ x, const float* __restrict__ W, const float* __restrict__ gy,
    float kept, int n_rows, int n_in, int n_out, float* __restrict__ gW, float* __restrict__ gb,
    float* __restrict__ gx, float* __restrict__ gz, float* __restrict__ gb_before) {
    __shared__ float sums[THREADS / 32][NARROW + 1][33];
    const int lane = threadIdx.x % 32, group = threadIdx.x / 32;
    // The last block computes gb, which is gW for a column of ones in x.
    const bool is_bias_block = (int)blockIdx.x == (n_in + 31) / 32;
    const int k = is_bias_block ? lane : (int)blockIdx.x * 32 + lane;
    const bool has_column = is_bias_block ? lane == 0 : k < n_in;
    float part[NARROW + 1], weights[NARROW];
#pragma unroll
    for (int j = 0; j < NARROW; ++j) {
        part[j] = 0.f;
        weights[j] = !is_bias_block && has_column && j < n_out ? W[(long long)k * n_out + j] : 0.f;
    }
    part[NARROW] = 0.f;
    if (has_column)
#pragma unroll 2
        for (int r = group; r < n_rows; r += THREADS / 32) {
            const long long at = (long long)r * n_in + k;
            const float v = is_bias_block ? 1.f : x[at];
            float gx_element = 0.f;
#pragma unroll
            for (int j = 0; j < NARROW; ++j)
                if (j < n_out) {
                    const float g = gy[(long long)r * n_out + j];
                    part[j] += v * g;
                    gx_element += g * weights[j];
                }
            if (is_bias_block) continue;
            gx[at] = gx_element;
            const float gz_element = v > 0.f ? gx_element / kept : 0.f;
            gz[at] = gz_element;
            part[NARROW] += gz_element;
        }
#pragma unroll
    for (int j = 0; j <= NARROW; ++j) sums[group][j][lane] = part[j];
    __syncthreads();
    if (!has_column) return;
    for (int j = group; j < n_out + !is_bias_block; j += THREADS / 32) {
        float sum = 0.f;
        for (int w = 0; w < THREADS / 32; ++w) sum += sums[w][j < n_out ? j : NARROW][lane];
        if (j == n_out)
            gb_before[k] = sum;
        else if (is_bias_block)
            gb[j] = sum;
        else
            gW[(long long)k * n_out + j] = sum;
    }
}

// =================================================================================================
// The loss
// =================================================================================================

// scores, at the rows of the batch in the pass, = y: n elements, of n_classes a row. One thread per
// element. Before the loss, which moves the state on.
extern "C" __global__ void keep_scores(const float* __restrict__ y, long long n, int n_classes,
                                       const State* __restrict__ state,
                                       float* __restrict__ scores) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) scores[state->row * n_classes + i] = y[i];
}

// Mean softmax cross-entropy of y (n, n_classes) and labels t int32 (n,), its gradient by y, and
// predicted: the first of the largest scores of a row, at the rows of the pass. One block. Moves
// the state on by the batch, so no later kernel of the step may read `state->row` or
// `state->time`.
extern "C" __global__ void softmax_cross_entropy(const float* __restrict__ y,
                                                 const int* __restrict__ t, int n, int n_classes,
                                                 float* __restrict__ gradient,
                                                 unsigned short* __restrict__ predicted,
                                                 float* __restrict__ loss,
                                                 State* __restrict__ state, int is_training) {
    __shared__ double losses[THREADS];
    __shared__ int correct_counts[THREADS];
    unsigned short* predicted_here = predicted + state->row;
    const float share = (float)(1.0 / n);
    double total = 0.0;
    int n_correct_here = 0;
    for (int r = threadIdx.x; r < n; r += blockDim.x) {
        const float* scores = y + (long long)r * n_classes;
        float* g = gradient + (long long)r * n_classes;
        int best = 0;
        for (int j = 1; j < n_classes; ++j)
            if (scores[j] > scores[best]) best = j;
        const float largest = scores[best];
        float sum = 0.f;
        for (int j = 0; j < n_classes; ++j) {
            g[j] = expf(scores[j] - largest);
            sum += g[j];
        }
        const int label = t[r];
        predicted_here[r] = (unsigned short)best;
        n_correct_here += best == label;
        // Labels are looked at when the run begins; nothing is read past a row whatever they are.
        const bool is_column = label >= 0 && label < n_classes;
        total += log((double)sum) + (is_column ? (double)(largest - scores[label]) : nan(""));
        for (int j = 0; j < n_classes; ++j) g[j] = (g[j] / sum - (j == label ? 1.f : 0.f)) * share;
    }
    losses[threadIdx.x] = total;
    correct_counts[threadIdx.x] = n_correct_here;
    __syncthreads();
    for (int offset = THREADS / 2; offset > 0; offset /= 2) {
        if (threadIdx.x < offset) {
            losses[threadIdx.x] += losses[threadIdx.x + offset];
            correct_counts[threadIdx.x] += correct_counts[threadIdx.x + offset];
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        const float mean = (float)(losses[0] / n);
        *loss = mean;
        state->steps += 1;
        if (!isfinite(mean) && state->diverged_at == 0) {
            state->diverged_at = state->steps;
            state->diverged_loss = mean;
        }
        state->loss_sum += (double)mean * n;
        state->n_correct += correct_counts[0];
        state->row += n;
        state->time += is_training;
    }
}

// =================================================================================================
// The optimizers, in DeZero's order of operations. One thread per element. rates, keeps: of each
// batch; weights are first multiplied by the latter.
// The intrinsics keep the compiler from fusing a product and a sum, which would round once where
// DeZero rounds twice.
// =================================================================================================

// Smaller values become 0, as in runner/engine/cpu/update.py, for the same bits.
#define TINY 1e-17f

__device__ float flushed(float value, float tiny) { return fabsf(value) < tiny ? 0.f : value; }
__device__ float difference(float a, float b) { return __fadd_rn(a, -b); }

// In place on p, m and v (n,), from the gradient g (n,); decay * p is added to g.
extern "C" __global__ void adam(float* __restrict__ p, const float* __restrict__ g,
                                float* __restrict__ m, float* __restrict__ v, long long n,
                                const float* __restrict__ rates, const float* __restrict__ keeps,
                                const State* __restrict__ state, float one_minus_beta1,
                                float one_minus_beta2, float eps, float decay) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float lr = rates[state->steps - 1], pi = __fmul_rn(p[i], keeps[state->steps - 1]);
    const float m_old = m[i], v_old = v[i];
    const float x = flushed(__fadd_rn(g[i], __fmul_rn(decay, pi)), TINY);
    const float mi =
        flushed(__fadd_rn(m_old, __fmul_rn(one_minus_beta1, difference(x, m_old))), TINY);
    const float vi =
        flushed(__fadd_rn(v_old, __fmul_rn(one_minus_beta2, difference(__fmul_rn(x, x), v_old))),
                TINY * TINY);
    m[i] = mi;
    v[i] = vi;
    p[i] =
        flushed(difference(pi, __fdiv_rn(__fmul_rn(lr, mi), __fadd_rn(__fsqrt_rn(vi), eps))), TINY);
}

// In place on p and v (n,), as above.
extern "C" __global__ void momentum(float* __restrict__ p, const float* __restrict__ g,
                                    float* __restrict__ v, long long n,
                                    const float* __restrict__ rates,
                                    const float* __restrict__ keeps,
                                    const State* __restrict__ state, float factor, float decay) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float pi = __fmul_rn(p[i], keeps[state->steps - 1]);
    const float x = flushed(__fadd_rn(g[i], __fmul_rn(decay, pi)), TINY);
    const float vi =
        flushed(difference(__fmul_rn(v[i], factor), __fmul_rn(rates[state->steps - 1], x)), TINY);
    v[i] = vi;
    p[i] = flushed(__fadd_rn(pi, vi), TINY);
}

// In place on p (n,), as above.
extern "C" __global__ void sgd(float* __restrict__ p, const float* __restrict__ g, long long n,
                               const float* __restrict__ rates, const float* __restrict__ keeps,
                               const State* __restrict__ state, float decay) {
    const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const float pi = __fmul_rn(p[i], keeps[state->steps - 1]);
    const float x = __fadd_rn(g[i], __fmul_rn(decay, pi));
    p[i] = flushed(difference(pi, __fmul_rn(rates[state->steps - 1], x)), TINY);
}
