import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.AlgorithmParameters;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.security.spec.ECParameterSpec;
import java.security.spec.ECPoint;
import java.security.spec.ECPublicKeySpec;
import java.security.spec.EdECPoint;
import java.security.spec.EdECPublicKeySpec;
import java.security.spec.NamedParameterSpec;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Scanner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Verifies tokens with what the JDK has, by the published keys: signature, issuer, audience and times. It has no JSON,
 * so members are found by their names.
 *
 * <p>Arguments: the file of the JWK Set, issuer, audience. Standard input: a token a line. Standard output: "accepted" or
 * "refused", a line each.
 */
public class VerifyWithJdk {
  record Key(String alg, PublicKey key) {}

  static String text(String json, String name) {
    Matcher found = Pattern.compile("\"" + name + "\":\"([^\"\\\\]*)\"").matcher(json);
    if (!found.find()) throw new IllegalArgumentException("no " + name);
    return found.group(1);
  }

  static long number(String json, String name) {
    Matcher found = Pattern.compile("\"" + name + "\":(\\d{1,12})[,}]").matcher(json);
    if (!found.find()) throw new IllegalArgumentException("no " + name);
    return Long.parseLong(found.group(1));
  }

  static byte[] bytes(String base64) {
    return Base64.getUrlDecoder().decode(base64);
  }

  static Key keyOf(String jwk) throws Exception {
    byte[] x = bytes(text(jwk, "x"));
    if (text(jwk, "alg").equals("ES256")) {
      AlgorithmParameters curve = AlgorithmParameters.getInstance("EC");
      curve.init(new ECGenParameterSpec("secp256r1"));
      ECPoint point = new ECPoint(new BigInteger(1, x), new BigInteger(1, bytes(text(jwk, "y"))));
      ECPublicKeySpec spec = new ECPublicKeySpec(point, curve.getParameterSpec(ECParameterSpec.class));
      return new Key("ES256", KeyFactory.getInstance("EC").generatePublic(spec));
    }
    boolean odd = (x[31] & 0x80) != 0;
    x[31] &= 0x7f;
    for (int i = 0; i < 16; i++) {
      byte low = x[i];
      x[i] = x[31 - i];
      x[31 - i] = low;
    }
    EdECPublicKeySpec spec = new EdECPublicKeySpec(NamedParameterSpec.ED25519, new EdECPoint(odd, new BigInteger(1, x)));
    return new Key("EdDSA", KeyFactory.getInstance("EdDSA").generatePublic(spec));
  }

  static boolean accepts(String token, Map<String, Key> keys, String issuer, String audience) throws Exception {
    String[] parts = token.split("\\.", -1);
    if (parts.length != 3) return false;
    String header = new String(bytes(parts[0]), StandardCharsets.UTF_8);
    String claims = new String(bytes(parts[1]), StandardCharsets.UTF_8);
    Key key = keys.get(text(header, "kid"));
    if (key == null || !key.alg().equals(text(header, "alg"))) return false;
    Signature signature = Signature.getInstance(key.alg().equals("ES256") ? "SHA256withECDSAinP1363Format" : "Ed25519");
    signature.initVerify(key.key());
    signature.update((parts[0] + "." + parts[1]).getBytes(StandardCharsets.US_ASCII));
    if (!signature.verify(bytes(parts[2]))) return false;
    long now = Instant.now().getEpochSecond();
    return text(claims, "iss").equals(issuer)
        && text(claims, "aud").equals(audience)
        && number(claims, "exp") + 30 > now
        && number(claims, "iat") <= now + 30;
  }

  public static void main(String[] arguments) throws Exception {
    Map<String, Key> keys = new HashMap<>();
    Matcher jwks = Pattern.compile("\\{[^{}]*\\}").matcher(Files.readString(Path.of(arguments[0])));
    while (jwks.find()) keys.put(text(jwks.group(), "kid"), keyOf(jwks.group()));
    Scanner lines = new Scanner(System.in);
    while (lines.hasNextLine()) {
      boolean accepted;
      try {
        accepted = accepts(lines.nextLine(), keys, arguments[1], arguments[2]);
      } catch (Exception error) {
        accepted = false;
      }
      System.out.println(accepted ? "accepted" : "refused");
    }
  }
}
