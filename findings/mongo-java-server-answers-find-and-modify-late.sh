#!/usr/bin/env bash
# mongo-java-server gives two clients the same "document after the update" of two different updates.
#
# Versions: mongo-java-server 1.47.0 (memory and H2), pymongo 4.20.0; Java 17 (a JDK) and Maven.
# Date: 1 December 2026.
#
# What one expects: MongoDB documents findAndModify as atomic: with `new: true` its answer is the document as this very
# update left it. So clients that count {"$inc": {"n": 1}} up at the same time each get another number.
# What happens: every update is done (the stored number is the number of calls), but the answer is written from the
# document as it is later: of 3,000 calls by 6 threads dozens to hundreds give a number that another call gave too, and
# as many numbers nobody gets. Without `new: true` each answer is right: it is a copy of what was before. One client
# alone sees nothing of it.
# Besides, its "MongoDB 5.0" reports wire version 8, that of MongoDB 4.2, where MongoDB 5.0 reports 13: pymongo 4.20
# refuses to speak to it, until a version of one's own is given to the backend, as below.
#
# What it means if you build on it: a test of "each gets another number" fails here on correct code, now and then. Ask
# for the document before the update, or expect that failure; do not take it for an error of the code that is tested.
set -euo pipefail

work=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap finish EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pymongo==4.20.0
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>de.bwaldvogel</groupId><artifactId>mongo-java-server-memory-backend</artifactId><version>1.47.0</version>
    </dependency>
    <dependency>
      <groupId>de.bwaldvogel</groupId><artifactId>mongo-java-server-h2-backend</artifactId><version>1.47.0</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B -C -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory="$work/jars" -DincludeScope=runtime
cat >Main.java <<'JAVA'
import de.bwaldvogel.mongo.*;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

public class Main {
    public static void main(String[] arguments) {
        MongoVersion own = new MongoVersion() {
            public List<Integer> getVersionArray() { return List.of(5, 0, 0); }
            public int getWireVersion() { return 13; }
        };
        MongoBackend memory = new MemoryBackend().version(own), h2 = H2Backend.inMemory().version(own);
        for (MongoBackend backend : List.of(memory, h2, new MemoryBackend().version(ServerVersion.MONGO_5_0)))
            System.out.println(new MongoServer(backend).bind().getPort());
    }
}
JAVA
java -cp 'jars/*' Main.java >ports.txt 2>server.txt &
server=$!
for _ in $(seq 600); do
  if [ "$(wc -l <ports.txt)" = 3 ]; then break; fi
  sleep 0.1
done

cat >look.py <<'PY'
import sys
from threading import Thread

from pymongo import MongoClient, ReturnDocument, version
from pymongo.errors import ConfigurationError

print(f"mongo-java-server 1.47.0, pymongo {version}")
THREADS, CALLS = 6, 500
ports = [int(line) for line in sys.stdin]
wrong = []


def look(what, got, right):
    print(f"  {what}: {got}")
    if not right:
        wrong.append(what)


def count(numbers, which):
    """Count up by many clients at once; return how many different numbers they got, and the stored one."""
    numbers.drop()
    numbers.insert_one({"_id": 1, "n": 0})
    got = []

    def ask():
        for _ in range(CALLS):
            got.append(numbers.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}}, return_document=which)["n"])

    threads = [Thread(target=ask) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(set(got)), numbers.find_one()["n"]


for name, port in zip(("memory", "H2"), ports):
    numbers = MongoClient("127.0.0.1", port).finding.numbers
    different, stored = count(numbers, ReturnDocument.AFTER)
    look(f"{name}, after: {THREADS * CALLS} calls, stored {stored}, different answers", different,
         stored == THREADS * CALLS > different)
    different, stored = count(numbers, ReturnDocument.BEFORE)
    look(f"{name}, before: {THREADS * CALLS} calls, stored {stored}, different answers", different,
         stored == THREADS * CALLS == different)
try:
    MongoClient("127.0.0.1", ports[2]).admin.command("ping")
    answer = "it speaks to it"
except ConfigurationError as error:
    answer = str(error)
look("the library's own MongoDB 5.0, by pymongo", answer, "wire version 8" in answer)
sys.exit("not as described: upstream has changed" if wrong else 0)
PY
venv/bin/python look.py <ports.txt || { cat server.txt; exit 1; }
