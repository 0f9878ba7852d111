import java.util.Map;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.standard.StandardTokenizer;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * Names that the mapping of Elasticsearch's own index .security uses. The distribution for integration tests comes without the
 * module that has them, and so can't keep API keys. Nobody here searches users by their e-mail, so what they do is all one.
 * Compiled for each version of the server by itself.
 */
public class SecurityIndexAnalysis extends Plugin implements AnalysisPlugin {
    private static TokenFilterFactory makeFilter(IndexSettings index, Environment environment, String name, Settings settings) {
        return new TokenFilterFactory() {
            @Override
            public String name() {
                return name;
            }

            @Override
            public TokenStream create(TokenStream tokens) {
                return tokens;
            }
        };
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        AnalysisProvider<TokenFilterFactory> filter = SecurityIndexAnalysis::makeFilter;
        return Map.of("pattern_capture", AnalysisPlugin.requiresAnalysisSettings(filter), "unique", filter);
    }

    @Override
    public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of("uax_url_email", (index, environment, name, settings) -> TokenizerFactory.newFactory(name, StandardTokenizer::new));
    }
}
