CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);
CREATE TABLE cells (
    cell INTEGER NOT NULL, id VARCHAR NOT NULL, space VARCHAR NOT NULL, arch VARCHAR NOT NULL,
    name VARCHAR, connected BOOLEAN NOT NULL,
    width DOUBLE,
    depth INTEGER,
    node_width DOUBLE,
    node_width_with_output DOUBLE,
    conv_depth INTEGER,
    n_paths INTEGER,
    mean_path DOUBLE,
    min_path INTEGER,
    effective_width DOUBLE,
    effective_depth DOUBLE,
    n_edges INTEGER,
    nominal_width DOUBLE,
    nominal_depth INTEGER,
    reduce_width DOUBLE,
    reduce_depth INTEGER,
    reduce_nominal_width DOUBLE,
    reduce_nominal_depth INTEGER,
    n_conv3x3 INTEGER,
    n_conv1x1 INTEGER,
    n_skip INTEGER,
    n_pool INTEGER,
    n_none INTEGER,
    official_index INTEGER,
    class_string INTEGER NOT NULL,
    class_skip INTEGER NOT NULL,
    class_official INTEGER NOT NULL,
    class_live INTEGER NOT NULL
);
CREATE TABLE sources (
    source SMALLINT NOT NULL, name VARCHAR NOT NULL, title VARCHAR NOT NULL,
    origin VARCHAR NOT NULL, licence VARCHAR NOT NULL, notes VARCHAR[] NOT NULL,
    official BOOLEAN NOT NULL, path VARCHAR NOT NULL, checksum VARCHAR NOT NULL,
    imported_at TIMESTAMP NOT NULL, cells INTEGER NOT NULL, runs BIGINT NOT NULL,
    points BIGINT NOT NULL
);
CREATE TABLE curves (
    curve SMALLINT NOT NULL, dataset VARCHAR NOT NULL, schedule INTEGER NOT NULL,
    recipe VARCHAR NOT NULL, images VARCHAR NOT NULL, eval_set VARCHAR NOT NULL,
    measure VARCHAR NOT NULL
);
CREATE TABLE grids (grid INTEGER NOT NULL, epochs SMALLINT[] NOT NULL);
CREATE TABLE runs (
    run BIGINT NOT NULL, id VARCHAR NOT NULL, source SMALLINT NOT NULL, cell INTEGER NOT NULL,
    dataset VARCHAR NOT NULL, schedule INTEGER NOT NULL, seed BIGINT, replicate VARCHAR,
    recipe VARCHAR NOT NULL, images VARCHAR NOT NULL, file_params_m DOUBLE, file_flops_m DOUBLE,
    latency_s DOUBLE, train_time_s DOUBLE, time_source VARCHAR, device VARCHAR
);
CREATE TABLE series (
    curve SMALLINT NOT NULL, cell INTEGER NOT NULL, run BIGINT NOT NULL, grid INTEGER NOT NULL,
    "values" DOUBLE[] NOT NULL
);
CREATE TABLE recorded (
    source SMALLINT NOT NULL, curve SMALLINT NOT NULL, grids INTEGER[] NOT NULL,
    seeds BIGINT[] NOT NULL, cells INTEGER NOT NULL, runs BIGINT NOT NULL
);
INSERT INTO meta VALUES ('schema', '1');
