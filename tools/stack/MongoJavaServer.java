import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.util.List;

/** Starts mongo-java-server, in memory, on the port of 127.0.0.1 that is the only argument. */
public final class MongoJavaServer {
    public static void main(String[] arguments) {
        new MongoServer(new MemoryBackend().version(new Version())).bind("127.0.0.1", Integer.parseInt(arguments[0]));
    }

    /**
     * MongoDB 5.0, with the protocol's version that MongoDB 5.0 reports. The library's own constant of 5.0 reports 8,
     * which is that of MongoDB 4.2, and pymongo speaks to 9 and higher only.
     */
    private static final class Version implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(5, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 13;
        }
    }
}
