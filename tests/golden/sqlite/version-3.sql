-- Written by the code of version 3 of the tables: a record in each state.
BEGIN TRANSACTION;
CREATE TABLE clusters (
    generation INTEGER, cluster_id TEXT, medoid_face_id TEXT NOT NULL, medoid BLOB NOT NULL, exemplars BLOB NOT NULL,
    size INTEGER NOT NULL, parents TEXT NOT NULL, PRIMARY KEY (generation, cluster_id)
);
INSERT INTO "clusters" VALUES(1,'c','a',X'0000803F0000803F0000803F0000803F',X'',3,'[]');
INSERT INTO "clusters" VALUES(1,'d','a',X'0000803F0000803F0000803F0000803F',X'',20,'[]');
INSERT INTO "clusters" VALUES(2,'c','a',X'0000803F0000803F0000803F0000803F',X'',20,'["c", "d"]');
INSERT INTO "clusters" VALUES(2,'e','a',X'0000803F0000803F0000803F0000803F',X'',20,'["c"]');
CREATE TABLE control (name TEXT PRIMARY KEY, value INTEGER);
INSERT INTO "control" VALUES('active',2);
INSERT INTO "control" VALUES('last number',2);
INSERT INTO "control" VALUES('fence',0);
CREATE TABLE faces (
    face_id TEXT PRIMARY KEY, image_id TEXT NOT NULL, object_id TEXT NOT NULL, box_left INTEGER NOT NULL,
    box_top INTEGER NOT NULL, box_width INTEGER NOT NULL, box_height INTEGER NOT NULL, score REAL NOT NULL,
    crop_key TEXT NOT NULL, sharpness REAL NOT NULL, verdict TEXT NOT NULL, vector BLOB, model_id TEXT
);
INSERT INTO "faces" VALUES('a','1','object',-3,4,50,60,1.5,'crops/a.png',30.0,'accepted',X'00002041000020410000204100002041','one');
INSERT INTO "faces" VALUES('d','1','object',-3,4,50,60,1.5,'crops/d.png',30.0,'accepted',X'00005041000050410000504100005041','one');
INSERT INTO "faces" VALUES('e','1','object',-3,4,50,60,1.5,'crops/e.png',30.0,'accepted',X'00006041000060410000604100006041','one');
INSERT INTO "faces" VALUES('b','1','object',-3,4,50,60,1.5,'crops/b.png',30.0,'rejected: blurry',NULL,'one');
INSERT INTO "faces" VALUES('c','1','object',-3,4,50,60,1.5,'crops/c.png',30.0,'rejected: crop missing',NULL,'one');
CREATE TABLE files (
    key TEXT PRIMARY KEY, stamp TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, image_id TEXT NOT NULL,
    unread_by TEXT
) WITHOUT ROWID;
INSERT INTO "files" VALUES('a.jpg','7',7,'0f','1',NULL);
INSERT INTO "files" VALUES('b.jpg','8',8,'','2','');
INSERT INTO "files" VALUES('c.txt','9',9,'decoders','','not a picture (text)');
CREATE TABLE former_clusters (
    generation INTEGER, cluster_id TEXT, parents TEXT NOT NULL, PRIMARY KEY (generation, cluster_id)
) WITHOUT ROWID;
CREATE TABLE former_memberships (
    face_id TEXT, generation INTEGER, cluster_id TEXT, similarity REAL, cause TEXT NOT NULL,
    PRIMARY KEY (face_id, generation)
) WITHOUT ROWID;
CREATE TABLE generations (
    number INTEGER PRIMARY KEY, state TEXT NOT NULL, model_id TEXT NOT NULL, snapshot TEXT NOT NULL,
    parameters TEXT NOT NULL, counts TEXT NOT NULL, timings TEXT NOT NULL, announced INTEGER NOT NULL,
    created_at TEXT, published_at TEXT, previous INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',
    grouping TEXT NOT NULL DEFAULT '', revision INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "generations" VALUES(1,'retired','one','snapshot','{"edge": 0.7, "seed": 1}','{}','{}',0,NULL,'2026-11-24T00:00:00+00:00',0,'','',0);
INSERT INTO "generations" VALUES(2,'active','one','snapshot','{"edge": 0.7, "seed": 1}','{}','{}',0,NULL,NULL,0,'','',0);
CREATE TABLE images (
    image_id TEXT PRIMARY KEY, object_id TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL, etag TEXT NOT NULL,
    size INTEGER NOT NULL, uploaded_at TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT, version_id TEXT,
    sequencer TEXT, width INTEGER, height INTEGER, source TEXT NOT NULL, passing INTEGER NOT NULL DEFAULT 0
);
INSERT INTO "images" VALUES('1','photos:a.jpg','photos','a.jpg','etag of 1',3,'2026-11-24T09:30:00.123456+00:00','detected',NULL,NULL,NULL,NULL,NULL,'',0);
INSERT INTO "images" VALUES('2','photos:b.jpg','photos','b.jpg','etag of 2',3,'2026-11-24T09:30:00.123456+00:00','unreadable','text',NULL,NULL,NULL,NULL,'',0);
INSERT INTO "images" VALUES('3','photos:c.jpg','photos','c.jpg','etag of 3',3,'2026-11-24T09:30:00.123456+00:00','removed',NULL,NULL,NULL,NULL,NULL,'',0);
CREATE TABLE lease (
    id INTEGER PRIMARY KEY CHECK (id = 1), number INTEGER NOT NULL, holder TEXT, renewals INTEGER NOT NULL,
    seconds REAL NOT NULL, expires_at TEXT NOT NULL
);
CREATE TABLE memberships (
    generation INTEGER, face_id TEXT, cluster_id TEXT, similarity REAL, cause TEXT NOT NULL,
    PRIMARY KEY (generation, face_id)
) WITHOUT ROWID;
INSERT INTO "memberships" VALUES(1,'a','c',0.8,'arrived');
INSERT INTO "memberships" VALUES(1,'d','d',0.8,'arrived');
INSERT INTO "memberships" VALUES(1,'e','c',0.8,'arrived');
INSERT INTO "memberships" VALUES(2,'a','c',0.8,'arrived');
INSERT INTO "memberships" VALUES(2,'d','c',0.8,'arrived');
INSERT INTO "memberships" VALUES(2,'e','e',0.8,'arrived');
CREATE TABLE pinned (number INTEGER PRIMARY KEY);
CREATE INDEX images_by_key ON images (bucket, key, image_id);
CREATE INDEX images_by_object ON images (object_id, image_id);
CREATE INDEX faces_by_image ON faces (image_id, face_id);
CREATE INDEX memberships_by_face ON memberships (face_id);
CREATE INDEX memberships_by_cluster ON memberships (generation, cluster_id, cause, face_id);
CREATE INDEX former_memberships_by_generation ON former_memberships (generation, cluster_id);
CREATE INDEX files_by_size ON files (size);
CREATE INDEX files_by_etag ON files (etag);
CREATE INDEX files_by_image ON files (image_id);
COMMIT;
PRAGMA application_id = 1717658469;
PRAGMA user_version = 3;
