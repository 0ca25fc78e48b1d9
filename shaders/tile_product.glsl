// Products of a tile of rows with a tile of columns, both staged in shared memory in chunks of eight vec4s of their width: what q·k and a
// projection share. Needs THREAD_ROWS, THREAD_COLS (multiples of 4), ROW_GROUPS, and THREADS = 8 ROW_GROUPS.
// Thread (tx, ty) holds rows ty THREAD_ROWS + r and columns (s / 4) 32 + 4 tx + s % 4.

#define TILE_ROWS (THREAD_ROWS * ROW_GROUPS)
#define TILE_COLS (8 * THREAD_COLS)

layout(local_size_x = THREADS) in;

shared vec4 tiles[8 * (TILE_ROWS + TILE_COLS)];  // [TILE_ROWS][8], then [TILE_COLS][8]

int tx() { return int(gl_LocalInvocationIndex) & 7; }
int ty() { return int(gl_LocalInvocationIndex) >> 3; }
int column_of(int s) { return (s >> 2) * 32 + 4 * tx() + (s & 3); }

// Columns of a row lie rotated, so that threads that read the same column of different rows hit different banks.
int row_slot(int row, int c) { return 8 * row + (c ^ ((row / THREAD_ROWS) & 7)); }
int column_slot(int column, int c) { return 8 * (TILE_ROWS + column) + (c ^ ((column >> 2) & 7)); }

// Shared memory written before is seen after.
void wait_for_group() {
  memoryBarrierShared();
  barrier();
}

// total[r][s] += the staged chunk's part of row r · column s.
void add_products(inout float total[THREAD_ROWS][THREAD_COLS]) {
  for (int c = 0; c < 8; ++c) {
    vec4 column[THREAD_COLS];
    for (int s = 0; s < THREAD_COLS; ++s) column[s] = tiles[column_slot(column_of(s), c)];
    for (int r = 0; r < THREAD_ROWS; ++r) {
      vec4 row = tiles[row_slot(ty() * THREAD_ROWS + r, c)];
      for (int s = 0; s < THREAD_COLS; ++s) {
        total[r][s] = fma(row.x, column[s].x, total[r][s]);
        total[r][s] = fma(row.y, column[s].y, total[r][s]);
        total[r][s] = fma(row.z, column[s].z, total[r][s]);
        total[r][s] = fma(row.w, column[s].w, total[r][s]);
      }
    }
  }
}
