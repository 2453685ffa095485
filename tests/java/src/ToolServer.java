import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs Kafka's command-line tools in one JVM, one after the other: a JVM's start costs more than most tools do.
 * Each line of stdin is {"main": class, "arguments": [...], "text": stdin of the tool}; each answer is a line
 * {"code": exit code, "output": what it printed}. Not for tools that run until they are ended.
 */
public class ToolServer {
    /** What a tool's exit becomes. */
    private static class Ended extends RuntimeException {
        final int code;

        Ended(int code) {
            super("exit " + code);
            this.code = code;
        }
    }

    public static void main(String[] none) throws Exception {
        PrintStream answers = System.out;
        ObjectMapper json = new ObjectMapper();
        Exit.Procedure exit = (code, message) -> {
            throw new Ended(code);
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null;) {
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            PrintStream output = new PrintStream(printed, true);
            System.setOut(output);
            System.setErr(output);
            int code = run(json.readTree(line), output);
            output.flush();
            answers.println(json.writeValueAsString(Map.of("code", code, "output", printed.toString())));
            answers.flush();
        }
    }

    private static int run(JsonNode command, PrintStream output) throws Exception {
        List<String> arguments = new ArrayList<>();
        command.get("arguments").forEach(one -> arguments.add(one.asText()));
        System.setIn(new ByteArrayInputStream(command.get("text").asText().getBytes()));
        try {
            Class<?> main = Class.forName(command.get("main").asText());
            main.getMethod("main", String[].class).invoke(null, (Object) arguments.toArray(new String[0]));
            return 0;
        } catch (InvocationTargetException failure) {
            if (failure.getCause() instanceof Ended ended) return ended.code;
            failure.getCause().printStackTrace(output);
            return 1;
        }
    }
}
